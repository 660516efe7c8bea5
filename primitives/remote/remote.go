// Package remote is SSH: a connection by agent, key or password, directly or
// through a chain of jump hosts, with strict host keys.
package remote

import "ctys/primitives"

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
