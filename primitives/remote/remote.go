// Package remote is SSH: a connection by agent, key or password, directly or
// through a chain of jump hosts, with strict host keys; and over it commands,
// forwarded sockets, an interactive terminal and the upload of a program.
//
// It reads what OpenSSH reads: ssh_config(5), known_hosts (sshd(8), SSH_KNOWN_HOSTS
// FILE FORMAT), identity files and the agent's socket.
package remote

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"ctys/primitives"
)

// Target is one machine to log in to.
type Target struct {
	Host         string // as typed: an alias of ssh_config, a name or an address
	Address      string // where set: connect to this, but keep Host for ssh_config and known_hosts
	Port         int    // 0: ssh_config's, else 22
	User         string // empty: ssh_config's, else the caller
	IdentityFile string // empty: ssh_config's, else OpenSSH's default identities
	Password     primitives.Secret
	Via          []Target // jump hosts, outermost first; empty: ssh_config's ProxyJump
}

// Options say where a Client finds what OpenSSH finds in fixed places. The
// zero value is OpenSSH's own behaviour without any interaction.
type Options struct {
	// Clock is the time that timeouts and keepalives are counted in; nil is
	// the system's.
	Clock primitives.Clock
	// Home is the folder that has .ssh; empty is $HOME.
	Home string
	// ConfigFile replaces ~/.ssh/config and /etc/ssh/ssh_config, as ssh -F
	// does; "none" reads no file.
	ConfigFile string
	// KnownHosts replaces UserKnownHostsFile and GlobalKnownHostsFile of
	// ssh_config and their defaults. New keys are appended to the first.
	KnownHosts []string
	// AgentSocket is the agent's socket; empty is ssh_config's IdentityAgent,
	// else $SSH_AUTH_SOCK; "none" asks no agent.
	AgentSocket string
	// AcceptNew accepts the key of a host that is seen for the first time and
	// appends it to the first known_hosts file. A changed key is always refused.
	AcceptNew bool
	// Prompt asks the person at the desk, without echo, for the passphrase of
	// an encrypted identity file. Nil: nobody can be asked. It is never called
	// twice at the same time.
	Prompt func(ctx context.Context, question string) (string, error)
	// KeepAlive is how a dead line is noticed.
	KeepAlive KeepAlive
	// ConnectTimeout bounds each silent wait while a connection is made (the
	// TCP connection, the key exchange, each answer during authentication),
	// where ssh_config's ConnectTimeout does not. 0 is 30 s.
	ConnectTimeout time.Duration
}

// KeepAlive is how often a silent peer is asked for a sign of life
// (keepalive@openssh.com, as ssh_config's ServerAliveInterval and
// ServerAliveCountMax) and how many unanswered questions mean that the line is
// lost. An Interval of 0 is 5 s, a negative one asks nothing; Misses of 0 is 3.
type KeepAlive struct {
	Interval time.Duration
	Misses   int
}

const (
	defaultInterval       = 5 * time.Second
	defaultMisses         = 3
	defaultConnectTimeout = 30 * time.Second
)

// Client makes connections. It keeps the identity files that were unlocked, so
// that each passphrase is asked for once, and what known_hosts says until it
// changes; it keeps no connection. It is safe for concurrent use.
type Client struct {
	options  Options
	identity identities
	known    knownFiles
}

// New makes a Client. It opens nothing: files are read at each Connect.
func New(options Options) *Client {
	if options.Clock == nil {
		options.Clock = primitives.SystemClock{}
	}
	if options.Home == "" {
		options.Home = os.Getenv("HOME")
	}
	if options.KeepAlive.Interval == 0 {
		options.KeepAlive.Interval = defaultInterval
	}
	if options.KeepAlive.Misses <= 0 {
		options.KeepAlive.Misses = defaultMisses
	}
	if options.ConnectTimeout <= 0 {
		options.ConnectTimeout = defaultConnectTimeout
	}
	return &Client{options: options, identity: identities{prompt: options.Prompt}}
}

func (c *Client) sshFile(name string) string {
	return filepath.Join(c.options.Home, ".ssh", name)
}
