package bridge

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tables are what the kernel tells, before it is put together.
type tables struct {
	links     []netlink.Link
	addresses []placed
	routes    []Route
	rules     []heard
	vlans     map[int][]VLAN
	static    map[int][]FDB
}

func readTables() (read tables, err error) {
	if read.links, err = readLinks(); err != nil {
		return read, err
	}
	if read.addresses, err = allAddresses(); err != nil {
		return read, err
	}
	if read.routes, err = allRoutes(read.name); err != nil {
		return read, err
	}
	if read.rules, err = allRules(); err != nil {
		return read, err
	}
	if read.vlans, err = allVLANs(); err != nil {
		return read, err
	}
	read.static, err = staticEntries()
	return read, err
}

// name gives an interface's by its index; one that has just gone is called by
// its number.
func (t tables) name(index int) string {
	for _, link := range t.links {
		if link.Attrs().Index == index {
			return link.Attrs().Name
		}
	}
	if index == 0 {
		return ""
	}
	return "if" + strconv.Itoa(index)
}

func (kernel) observe(bridge string, others []string) (Snapshot, error) {
	read, err := readTables()
	if err != nil {
		return Snapshot{}, err
	}
	return read.assemble(bridge, others), nil
}

func (t tables) assemble(bridge string, others []string) Snapshot {
	seen := Snapshot{Bridge: Link{Name: bridge}}
	place := slices.IndexFunc(t.links, func(link netlink.Link) bool { return link.Attrs().Name == bridge })
	if place >= 0 && t.links[place].Type() == "bridge" {
		seen.Bridge = t.describe(t.links[place], "bridge", BridgeSettings)
	}
	links := slices.Clone(t.links)
	slices.SortFunc(links, func(a, b netlink.Link) int { return cmp.Compare(a.Attrs().Index, b.Attrs().Index) })
	for _, link := range links {
		inside := seen.Bridge.Index != 0 && link.Attrs().MasterIndex == seen.Bridge.Index
		if inside || slices.Contains(others, link.Attrs().Name) {
			seen.Ports = append(seen.Ports, t.describe(link, "brport", PortSettings))
		}
	}
	concerned := append([]Link{seen.Bridge}, seen.Ports...)
	for _, rule := range t.rules {
		if rule.concerns(concerned) {
			seen.Rules = append(seen.Rules, rule.Rule)
		}
	}
	return seen
}

func (t tables) describe(link netlink.Link, below string, settings []string) Link {
	attrs := link.Attrs()
	files := sysfs(attrs.Name, attrs.Index)
	described := Link{
		Name: attrs.Name, Index: attrs.Index, Master: t.name(attrs.MasterIndex),
		MAC: macOf(attrs.HardwareAddr), MTU: attrs.MTU, Up: attrs.RawFlags&unix.IFF_UP != 0,
		IPv6Off:  ipv6Off(attrs.Name),
		Settings: files.settings(below, settings),
		VLANs:    t.vlans[attrs.Index],
		FDB:      t.static[attrs.Index],
	}
	if link.Type() != "device" {
		described.Kind = link.Type()
	}
	if files.read("bridge/topology_change") == "1" {
		delete(described.Settings, "ageing_time") // it is shortened for now (802.1D, 7.9.2)
	}
	const setByHand = "3" // NET_ADDR_SET in include/uapi/linux/netdevice.h
	described.MACSet = described.Kind == "bridge" && files.read("addr_assign_type") == setByHand
	for _, address := range t.addresses {
		if address.index == attrs.Index && !address.ofKernel(described.MAC) {
			described.Addresses = append(described.Addresses, address.Address)
		}
	}
	for _, route := range t.routes {
		if slices.ContainsFunc(route.Hops, func(hop Hop) bool { return hop.Interface == attrs.Name }) {
			described.Routes = append(described.Routes, route)
		}
	}
	return described
}

// stacked are the kinds whose IFLA_LINK is the interface that they stand on.
var stacked = []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"}

func (kernel) above(name string) ([]string, error) {
	links, err := readLinks()
	if err != nil {
		return nil, err
	}
	place := slices.IndexFunc(links, func(link netlink.Link) bool { return link.Attrs().Name == name })
	if place < 0 {
		return nil, nil
	}
	const thisNamespace = -1 // else the parent's index counts in another one
	var above []string
	for _, link := range links {
		attrs := link.Attrs()
		if attrs.ParentIndex == links[place].Attrs().Index && attrs.NetNsID == thisNamespace && slices.Contains(stacked, link.Type()) {
			above = append(above, attrs.Name)
		}
	}
	return above, nil
}
