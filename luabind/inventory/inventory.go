// Package inventory reads what a site wrote down about its machines
// (machines.lua) and about its habits (site.lua). Both are data in Lua: one
// table, evaluated in a Lua state that can do nothing but build it.
//
//	return {
//	  lab01 = { address = "10.0.0.5", mac = "52:54:00:12:34:56",
//	            bmc = { host = "10.0.1.5", user = "admin", password = secret.file("lab01.pw") } },
//	  web1  = { parent = "lab01", address = "10.0.0.21", deadline = 120 },
//	  ["@rack7"] = { "lab01", "web1" },
//	}
//
// An error says file and line, what was found and what is accepted; its kind is
// primitives.Invalid. Loading opens no secret.
package inventory

import (
	"context"
	"time"

	"ctys/primitives"
)

// All is the group of every machine. It is always there and cannot be defined.
const All = "@all"

// Inventory is what one machines.lua says. It does not change after it was
// read, so that many goroutines may use it at once.
type Inventory struct {
	// Path is the file as it was named, empty for Empty.
	Path string
	// Dir is the folder that relative names of secret files start from.
	Dir string
	// Resolver fetches what a secret.desk reference stands for. Nil makes such
	// a reference primitives.Unreachable. Set it before the inventory is shared.
	Resolver func(ctx context.Context, ref SecretRef, row string) (string, error)

	rows     []*Row
	byName   map[string]*Row
	children map[string][]*Row
	groups   []*group
	members  map[string][]string // of each group, expanded, in order
	secrets  map[string]ownedSecret
}

// Row is one machine. Where the file says nothing, a field is its zero value,
// but for Become ("none").
type Row struct {
	primitives.Machine

	Record int // 1 for the first machine in the file, 2 for the next; groups do not count
	Line   int // where the row begins in the file

	User     string    // account to log in with
	Identity string    // file of the SSH key
	Port     int       // of SSH; 0 means the default
	Password SecretRef // for SSH, where no key will do

	BMC *BMC // nil where the machine has none

	Label string // what its hypervisor calls it
	Path  string // absolute path of its configuration file on its host

	Deadline   time.Duration // for its shutdown; 0 where the row does not say
	AtDeadline string        // "destroy", "stop", or empty
	// After names machines that it needs: it is started after them, and taken down
	// before them.
	After []string
	Stage int      // machines of stage 1 are started first and taken down last; 0: started last, taken down first
	Way   []string // the steps of the ladder that it is taken down by ("inside", "agent", "hypervisor"); empty: all

	Limit              int // how many of its guests are taken down or started at once; 0 where the row does not say
	LimitPerHypervisor int // the same of each of its hypervisors

	Broadcast     string // address or name a magic packet goes to
	BroadcastPort int    // 0 means the default
	Interface     string // that a magic packet leaves through, or that is armed

	// Extra holds the site's own keys: string, float64, bool, SecretRef,
	// []any, or map[string]any of these.
	Extra map[string]any
}

// BMC is how a machine's management controller is reached.
type BMC struct {
	Host     string
	Port     int // 0 means the default, 623
	User     string
	Password SecretRef
	Via      string         // machine whose agent speaks to it; empty means the desk
	Extra    map[string]any // as in Row
}

// Empty is the inventory of a site that has written none.
func Empty() *Inventory {
	return &Inventory{
		byName:   map[string]*Row{},
		children: map[string][]*Row{},
		members:  map[string][]string{All: nil},
		secrets:  map[string]ownedSecret{},
	}
}

// Rows gives every machine, in the order of the file.
func (inv *Inventory) Rows() []*Row { return append([]*Row(nil), inv.rows...) }

// Row gives the machine of that name, nil where there is none.
func (inv *Inventory) Row(name string) *Row { return inv.byName[name] }

// Children gives the machines whose parent is name, in the order of the file.
func (inv *Inventory) Children(name string) []*Row {
	return append([]*Row(nil), inv.children[name]...)
}

// Groups gives the names of all groups, with their "@", in the order of the
// file; "@all" is not among them.
func (inv *Inventory) Groups() []string {
	names := make([]string, 0, len(inv.groups))
	for _, g := range inv.groups {
		names = append(names, g.name)
	}
	return names
}

// Members gives the machines of a group ("@rack7"), in the order in which the
// group lists them, and whether there is such a group.
func (inv *Inventory) Members(group string) ([]string, bool) {
	names, found := inv.members[group]
	return append([]string(nil), names...), found
}
