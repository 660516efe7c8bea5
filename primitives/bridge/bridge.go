// Package bridge lists the host's network bridges and their ports.
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
