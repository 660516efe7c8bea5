package bridge

import (
	"net/netip"

	"ctys/primitives"
)

// SnapshotVersion is that of the form of a Snapshot; one of another version is
// refused.
const SnapshotVersion = 1

// Snapshot is what a bridge and its ports were at one time: all that has to
// come back after the bridge was dissolved. It is plain data, as JSON and in
// Lua. Reading one checks it as a whole (UnmarshalJSON).
//
// Not in it, since the bridge stays in place: its static neighbours and sysctls.
// Not in it, and lost where the ports were taken out: multicast groups that were
// joined by hand, VLAN tunnels, settings of single VLANs, the numbers of ports,
// ports that are locked. A route that names a nexthop object becomes one that
// says where it leads itself.
type Snapshot struct {
	Version int    `json:"version"`
	BootID  string `json:"boot_id"` // of the boot in which it was taken (Linux, random(4))
	Bridge  Link   `json:"bridge"`
	Ports   []Link `json:"ports,omitempty"` // by index
	// Rules are those of both families that name the bridge, a port, an address
	// of the bridge, or a table of its own that a route of it stands in.
	Rules []Rule `json:"rules,omitempty"`
}

// Link is the bridge or one port.
type Link struct {
	Name   string         `json:"name"`
	Index  int            `json:"index,omitempty"`  // the kernel's; 0: there is no such interface
	Kind   string         `json:"kind,omitempty"`   // ip-link(8), "type"; empty for a network card
	Master string         `json:"master,omitempty"` // what it is a port of
	MAC    primitives.MAC `json:"mac,omitzero"`
	MACSet bool           `json:"mac_set,omitempty"` // of a bridge: its MAC was set, and is not the lowest of its ports'
	MTU    int            `json:"mtu,omitempty"`
	Up     bool           `json:"up,omitempty"`

	// IPv6Off is the sysctl disable_ipv6, which network managers set on ports.
	IPv6Off bool `json:"ipv6_off,omitempty"`
	// Settings are the files of /sys/class/net/NAME/bridge or brport by name, in
	// the kernel's own words and units; see BridgeSettings and PortSettings.
	Settings map[string]string `json:"settings,omitempty"`
	VLANs    []VLAN            `json:"vlans,omitempty"` // of a bridge: its own, "self" of bridge(8)
	FDB      []FDB             `json:"fdb,omitempty"`   // static entries of a port

	// Addresses are in the kernel's order, without those that it makes itself:
	// link-local ones from the MAC, temporary ones (RFC 8981).
	Addresses []Address `json:"addresses,omitempty"`
	// Routes of all tables, without the kernel's own for local, broadcast,
	// multicast and link-local addresses.
	Routes []Route `json:"routes,omitempty"`
}

// VLAN is a range of VLANs of a port with the same flags. PVID is that of
// untagged frames that come in; there is one at most, in a range of its own.
type VLAN struct {
	First    uint16 `json:"first"` // 1–4094
	Last     uint16 `json:"last"`
	PVID     bool   `json:"pvid,omitempty"`
	Untagged bool   `json:"untagged,omitempty"` // leaves without a tag
}

// FDB is a static entry of the forwarding database on a port (bridge(8)).
type FDB struct {
	MAC  primitives.MAC `json:"mac"`
	VLAN uint16         `json:"vlan,omitempty"` // 0: of all
}

// Forever is a lifetime without end.
const Forever = 1<<32 - 1

// Address is an IP address of an interface (rtnetlink(7), RTM_NEWADDR).
type Address struct {
	Prefix    netip.Prefix `json:"prefix"`             // the local address and its network's length
	Peer      netip.Addr   `json:"peer,omitzero"`      // of a point-to-point address
	Broadcast netip.Addr   `json:"broadcast,omitzero"` // zero: none
	Label     string       `json:"label,omitempty"`    // IPv4: "br0:1"
	Scope     uint8        `json:"scope,omitempty"`    // 0 global, 200 site, 253 link, 254 host
	Metric    uint32       `json:"metric,omitempty"`   // of the route to its network; 0: the kernel's own
	Protocol  uint8        `json:"protocol,omitempty"` // who set it (IFAPROT_*, Linux 5.18)
	// Flags are IFA_F_HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE, MCAUTOJOIN and
	// STABLE_PRIVACY, as far as they are set.
	Flags uint32 `json:"flags,omitempty"`
	// Lifetimes in seconds when it was read; Forever, or what a lease or a router
	// gave. An address that is moved keeps what it has then.
	Valid     uint32 `json:"valid"`
	Preferred uint32 `json:"preferred"`
}

// Route is a route through the interface (rtnetlink(7), RTM_NEWROUTE; the
// numbers are those of there).
type Route struct {
	Destination netip.Prefix `json:"destination"` // 0.0.0.0/0 or ::/0: default
	Source      netip.Prefix `json:"source,omitzero"`
	Table       uint32       `json:"table"`
	TOS         uint8        `json:"tos,omitempty"`
	Type        uint8        `json:"type"`            // 1 unicast, 2 local, …
	Scope       uint8        `json:"scope,omitempty"` // 0 global, 253 link, 254 host
	Protocol    uint8        `json:"protocol"`        // 2 kernel, 3 boot, 4 static, 9 router advertisement, …
	Metric      uint32       `json:"metric,omitempty"`
	// PreferredSource is the address that packets leave with.
	PreferredSource netip.Addr `json:"preferred_source,omitzero"`
	Preference      uint8      `json:"preference,omitempty"` // of an IPv6 router (RFC 4191)
	Realm           uint32     `json:"realm,omitempty"`
	Expires         uint32     `json:"expires,omitempty"` // seconds when it was read; 0: never
	// Metrics are the nested attribute RTA_METRICS (mtu, advmss, lock, …) as the
	// kernel gave it, in hexadecimal.
	Metrics string `json:"metrics,omitempty"`
	Hops    []Hop  `json:"hops"` // one; several of a multipath route
}

// Hop is one way out of a route.
type Hop struct {
	Interface string     `json:"interface"`
	Gateway   netip.Addr `json:"gateway,omitzero"` // may be of the other family (RFC 5549)
	OnLink    bool       `json:"onlink,omitempty"`
	Weight    uint16     `json:"weight,omitempty"` // 1–256, of a multipath route
	Realm     uint32     `json:"realm,omitempty"`
	// Encapsulation (RTA_ENCAP) as the kernel gave it, in hexadecimal, and its type.
	EncapType uint16 `json:"encap_type,omitempty"`
	Encap     string `json:"encap,omitempty"`
}

// Rule is a rule of the routing policy (ip-rule(8)). It names no index, so the
// kernel's message is kept as it is.
type Rule struct {
	IPv6     bool   `json:"ipv6,omitempty"`
	Priority uint32 `json:"priority"`
	Text     string `json:"text"`    // for people: "from 10.0.0.5/32 lookup 100"
	Message  string `json:"message"` // struct fib_rule_hdr and its attributes, in hexadecimal
}
