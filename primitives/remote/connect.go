package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"ctys/primitives"
)

// Operations, as errors name them.
const (
	opConnect  = "remote.connect"
	opRun      = "remote.run"
	opDial     = "remote.dial"
	opTerminal = "remote.terminal"
	opInstall  = "remote.install"
)

// Connect logs in to target, through its jump hosts where it has some: each is
// authenticated to, and its host key checked, from here. The end of ctx ends
// the attempt at any point; a connection that was made does not depend on it.
//
// Errors are of kind Invalid (the target or ssh_config), Unreachable, Timeout
// (no answer in time), Auth (the host key, with a *HostKeyError as cause, or no
// credential that was accepted), Unsupported (no common algorithm, a
// ProxyCommand) or Canceled.
func (c *Client) Connect(ctx context.Context, target Target) (*Conn, error) {
	hops, err := c.route(target)
	if err != nil {
		return nil, err
	}
	var conn *Conn
	for i, hop := range hops {
		next, err := c.hop(ctx, conn, hop, hops[:i])
		if err != nil {
			if conn != nil {
				conn.Close()
			}
			return nil, err
		}
		conn = next
	}
	go conn.keepAlive(c.options.KeepAlive)
	return conn, nil
}

// attempt is one login on the way.
type attempt struct {
	client   *Client
	settings *settings
	before   []*settings // the jump hosts that were passed
	patience *patience
	login    *login
	keys     *hostKeys
	hostKey  error // why the host key was refused
	banner   strings.Builder
}

// hop logs in to one machine, from here or from the machine before it.
func (c *Client) hop(ctx context.Context, from *Conn, s *settings, before []*settings) (*Conn, error) {
	a := &attempt{client: c, settings: s, before: before}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.patience = newPatience(c.options.Clock, s.timeout, cancel)
	defer a.patience.settle()
	a.patience.renew()

	raw, err := a.dial(ctx, from)
	if err != nil {
		return nil, a.explain(ctx, err)
	}
	line := &wire{Conn: raw}
	stop := context.AfterFunc(ctx, func() { line.Close() })
	client, err := a.handshake(ctx, line)
	if err == nil && !stop() {
		client.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		line.Close()
		return nil, a.explain(ctx, err)
	}
	return newConn(c, s, client, line, from, cleanText(a.banner.String())), nil
}

func (a *attempt) dial(ctx context.Context, from *Conn) (net.Conn, error) {
	if from == nil {
		return new(net.Dialer).DialContext(ctx, a.settings.network, a.settings.endpoint())
	}
	return from.client.DialContext(ctx, "tcp", a.settings.endpoint())
}

func (a *attempt) handshake(ctx context.Context, line net.Conn) (*ssh.Client, error) {
	keys, err := a.client.known.load(a.settings.knownHosts)
	if err != nil {
		a.hostKey = err
		return nil, err
	}
	a.keys = keys
	a.login = a.client.prepare(ctx, a.settings, a.patience)
	defer a.login.close()
	a.patience.renew()
	conn, channels, requests, err := ssh.NewClientConn(line, a.settings.keyAddress(), &ssh.ClientConfig{
		User:              a.settings.user,
		AuthCallback:      a.login.next,
		HostKeyCallback:   a.checkHostKey,
		HostKeyAlgorithms: keys.algorithms(addressNames(a.settings.hostAddresses())),
		BannerCallback:    a.hear,
		ClientVersion:     "SSH-2.0-ctys",
	})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// A banner is a notice to read, not a stream to fill the memory with.
const maxBanner = 64 << 10

func (a *attempt) hear(message string) error {
	a.patience.renew()
	if room := maxBanner - a.banner.Len(); room > 0 {
		a.banner.WriteString(message[:min(room, len(message))])
	}
	return nil
}

func (a *attempt) checkHostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	a.patience.renew()
	problem := a.keys.verify(a.settings.hostAddresses(), key)
	if problem == nil {
		return nil
	}
	a.hostKey = problem
	if problem.Problem == HostKeyUnknown && a.settings.acceptNew {
		a.hostKey = a.settings.accept(key)
	}
	return a.hostKey
}

// explain turns what ended an attempt into the error that Connect returns.
func (a *attempt) explain(ctx context.Context, err error) error {
	overdue := a.patience.settle()
	fail := func(kind primitives.Kind, cause error, format string, args ...any) error {
		return &primitives.Error{Kind: kind, Op: opConnect, Host: a.settings.display(),
			Message: fmt.Sprintf(format, args...) + a.remark(), Cause: cause}
	}
	var disagreement *ssh.AlgorithmNegotiationError
	switch {
	case overdue:
		return fail(primitives.Timeout, nil, "no SSH answer from %s within %s", a.place(), a.settings.timeout)
	case ctx.Err() != nil:
		return fail(primitives.KindOf(ctx.Err()), ctx.Err(), "connecting to %s was given up", a.place())
	case a.hostKey != nil:
		return fail(primitives.Auth, a.hostKey, "%s", a.hostKeyAdvice())
	case errors.As(err, &disagreement):
		return fail(primitives.Unsupported, disagreement, "%s speaks no SSH that is safe enough", a.place())
	case a.login == nil || !a.login.begun:
		return fail(reachKind(err), plainCause(err), "no SSH connection to %s", a.place())
	case a.login.failure != nil:
		return fail(primitives.KindOf(a.login.failure), a.login.failure, "login as %s", a.settings.user)
	case errors.Is(err, errExhausted):
		return fail(primitives.Auth, nil, "login as %s was refused: %s", a.settings.user, a.login.summary())
	case strings.Contains(err.Error(), "disconnect"):
		return fail(primitives.Auth, plainCause(err),
			"login as %s was ended by the peer: %s (where it allows few tries, name the one IdentityFile and set IdentitiesOnly yes)",
			a.settings.user, a.login.summary())
	}
	return fail(reachKind(err), plainCause(err), "the connection to %s broke during the login", a.place())
}

// reachKind is the kind of an error on the way to a peer: what the system says
// about it, and Unreachable where that says nothing.
func reachKind(err error) primitives.Kind {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) && refused.Reason == ssh.Prohibited {
		return primitives.Denied
	}
	if kind := primitives.KindOf(err); kind != primitives.Internal {
		return kind
	}
	return primitives.Unreachable
}

// plainCause leaves out what the message says already.
func plainCause(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return operation.Err
	}
	return err
}

// place is the address and the way to it.
func (a *attempt) place() string {
	if len(a.before) == 0 {
		return a.settings.endpoint()
	}
	return a.settings.endpoint() + " from " + a.before[len(a.before)-1].alias
}

// remark names the parts of ssh_config that were not read: they may be why.
func (a *attempt) remark() string {
	if len(a.settings.skipped) == 0 {
		return ""
	}
	return fmt.Sprintf(" (not evaluated: %s)", strings.Join(a.settings.skipped, "; "))
}

// hostKeyAdvice says how to go on after a refused host key.
func (a *attempt) hostKeyAdvice() string {
	var problem *HostKeyError
	if !errors.As(a.hostKey, &problem) {
		return "its host key was not accepted"
	}
	switch problem.Problem {
	case HostKeyUnknown:
		return fmt.Sprintf("%s; compare it on the host's console (ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub),"+
			" then accept it: ctys --accept-new-host-key … or: %s >>%s or: %s",
			problem.tell(), strings.ToLower(problem.KeyType), a.scanCommand(problem), quoteWord(a.notebook()), a.sshCommand())
	case HostKeyChanged:
		file, _, _ := cutLast(problem.Known[0], ":")
		return fmt.Sprintf("%s; if it was set up anew, compare the fingerprint on its console, then forget the old key: %s",
			problem.tell(), Quote([]string{"ssh-keygen", "-R", problem.Host, "-f", file}))
	}
	return problem.tell()
}

// notebook is the file that a new key goes into.
func (a *attempt) notebook() string {
	if len(a.settings.knownHosts) == 0 {
		return "known_hosts"
	}
	return a.settings.knownHosts[0]
}

// cutLast is strings.Cut at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}

func (a *attempt) scanCommand(problem *HostKeyError) string {
	if a.settings.keyAlias != "" || a.settings.hashNames || len(a.before) > 0 || a.settings.address != a.settings.name {
		return "echo " + Quote([]string{problem.Line})
	}
	argv := []string{"ssh-keyscan", "-t", strings.ToLower(problem.KeyType)}
	if a.settings.port != 22 {
		argv = append(argv, "-p", fmt.Sprint(a.settings.port))
	}
	return Quote(append(argv, a.settings.name))
}

func (a *attempt) sshCommand() string {
	argv := []string{"ssh"}
	if len(a.before) > 0 {
		var jumps []string
		for _, hop := range a.before {
			jumps = append(jumps, hop.jumpName())
		}
		argv = append(argv, "-J", strings.Join(jumps, ","))
	}
	if a.settings.port != 22 {
		argv = append(argv, "-p", fmt.Sprint(a.settings.port))
	}
	if a.settings.address != a.settings.name {
		argv = append(argv, "-o", "HostName="+a.settings.address)
	}
	return Quote(append(argv, a.settings.user+"@"+a.settings.alias))
}

func (s *settings) jumpName() string {
	name := s.user + "@" + s.alias
	if s.port != 22 {
		name += fmt.Sprintf(":%d", s.port)
	}
	return name
}
