// Package bridge reads the host's network bridges, takes one apart so that what
// it carried goes on over its physical port, and puts it together again.
//
// A Snapshot is everything that has to come back. Dissolution and Restoration
// compare it with what is there now and give the Steps that are left to do;
// each Step is idempotent. So whoever was interrupted, at whatever place, asks
// again and goes on, and Restore finds its way back from any of them.
//
// The bridge itself stays, up and empty: its sysctls, its filters, its static
// neighbours and whatever has a socket bound to it live on. Where somebody has
// removed it, Restoration makes it anew.
package bridge

import "ctys/primitives"

// Bridge is one Linux bridge.
type Bridge struct {
	Name  string
	MAC   primitives.MAC
	Ports []string // names, sorted
	STP   bool
	Up    bool
}
