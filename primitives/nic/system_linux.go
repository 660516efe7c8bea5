package nic

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// facts are what the kernel tells about all links, before they are put together.
type facts struct {
	links     []netlink.Link
	addresses []netlink.Addr
	routes    []netlink.Route
	wake      func(index int) Wake
	devices   devices
}

func readSystem(ctx context.Context) (snapshot, error) {
	kernel := &netlink.Handle{}
	var read facts
	var err error
	if read.links, err = whole(kernel.LinkList); err != nil {
		return snapshot{}, err
	}
	if read.addresses, err = whole(func() ([]netlink.Addr, error) { return kernel.AddrList(nil, netlink.FAMILY_ALL) }); err != nil {
		return snapshot{}, err
	}
	if read.routes, err = defaultRoutes(kernel); err != nil {
		return snapshot{}, err
	}
	family := openEthtool()
	defer family.close()
	read.wake = family.wake
	read.devices = systemDevices
	if err := ctx.Err(); err != nil {
		return snapshot{}, err
	}
	return read.assemble(), nil
}

// whole repeats a dump that a change in the kernel's tables has interrupted,
// and takes the last one as it is where changes do not end.
func whole[T any](dump func() ([]T, error)) ([]T, error) {
	var all []T
	var err error
	for range 5 {
		if all, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}

// defaultRoutes gives the default routes, best first: IPv4 before IPv6, then
// by metric.
func defaultRoutes(kernel *netlink.Handle) ([]netlink.Route, error) {
	var found []netlink.Route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := whole(func() ([]netlink.Route, error) { return kernel.RouteList(nil, family) })
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue // a kernel without this family
		}
		if err != nil {
			return nil, err
		}
		routes = slices.DeleteFunc(routes, func(route netlink.Route) bool { return !isDefault(route) })
		slices.SortStableFunc(routes, func(a, b netlink.Route) int { return cmp.Compare(a.Priority, b.Priority) })
		found = append(found, routes...)
	}
	return found, nil
}

// isDefault leaves out routes that refuse (unreachable default).
func isDefault(route netlink.Route) bool {
	if route.Type != unix.RTN_UNICAST {
		return false
	}
	if route.Dst == nil {
		return true
	}
	ones, _ := route.Dst.Mask.Size()
	return ones == 0 && route.Dst.IP.IsUnspecified()
}

func (f facts) assemble() snapshot {
	slices.SortFunc(f.links, func(a, b netlink.Link) int { return cmp.Compare(a.Attrs().Index, b.Attrs().Index) })
	var seen snapshot
	for _, link := range f.links {
		seen.all = append(seen.all, f.describe(link))
	}
	for _, index := range f.defaultIndexes() {
		if name := f.name(index); name != "" && !slices.Contains(seen.defaults, name) {
			seen.defaults = append(seen.defaults, name)
		}
	}
	for i := range seen.all {
		seen.all[i].DefaultRoute = slices.Contains(seen.defaults, seen.all[i].Name)
	}
	return seen
}

func (f facts) describe(link netlink.Link) Interface {
	attrs := link.Attrs()
	device := f.devices.of(attrs.Name, attrs.Index)
	described := Interface{
		Name:         attrs.Name,
		Index:        attrs.Index,
		Kind:         kind(link, device),
		Driver:       device.driver,
		Bus:          device.address,
		MAC:          mac(attrs.HardwareAddr),
		PermanentMAC: mac(attrs.PermHWAddr),
		Up:           attrs.RawFlags&unix.IFF_UP != 0,
		Carrier:      attrs.RawFlags&unix.IFF_LOWER_UP != 0,
		MTU:          attrs.MTU,
		Addresses:    f.addressesOf(attrs.Index),
		Master:       f.name(attrs.MasterIndex),
		Lower:        f.lower(link),
		Wake:         f.wake(attrs.Index),
	}
	described.Wake.Device = device.wakeup
	if described.Wake.Magic() && device.wakeup == "" {
		described.Wake.Beyond += "; " + beyondDevice
	}
	if bond, ok := link.(*netlink.Bond); ok {
		described.ActiveSlave = f.name(bond.ActiveSlave)
	}
	return described
}

func kind(link netlink.Link, device device) string {
	switch {
	case link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0:
		return KindLoopback
	case link.Type() != "" && link.Type() != "device":
		return link.Type()
	case device.real:
		return KindPhysical
	}
	return KindVirtual
}

func (f facts) name(index int) string {
	if index <= 0 {
		return ""
	}
	for _, link := range f.links {
		if link.Attrs().Index == index {
			return link.Attrs().Name
		}
	}
	return ""
}

// stacked are the kinds whose IFLA_LINK is the interface that they stand on.
// For others it means something else: a veth's is its other end.
var stacked = []string{KindVLAN, "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"}

func (f facts) lower(link netlink.Link) []string {
	var lower []string
	attrs := link.Attrs()
	const thisNamespace = -1 // else the parent's index counts in another one
	if slices.Contains(stacked, link.Type()) && attrs.NetNsID == thisNamespace {
		if parent := f.name(attrs.ParentIndex); parent != "" {
			lower = append(lower, parent)
		}
	}
	for _, other := range f.links {
		if other.Attrs().MasterIndex == attrs.Index {
			lower = append(lower, other.Attrs().Name)
		}
	}
	return lower
}

func (f facts) addressesOf(index int) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, address := range f.addresses {
		if address.LinkIndex != index || address.IPNet == nil {
			continue
		}
		if ip, ok := netip.AddrFromSlice(address.IP); ok {
			ones, _ := address.Mask.Size()
			prefixes = append(prefixes, netip.PrefixFrom(ip.Unmap(), ones))
		}
	}
	return prefixes
}

func (f facts) defaultIndexes() []int {
	var indexes []int
	for _, route := range f.routes {
		if route.LinkIndex > 0 {
			indexes = append(indexes, route.LinkIndex)
		}
		for _, hop := range route.MultiPath {
			indexes = append(indexes, hop.LinkIndex)
		}
	}
	return indexes
}

// mac gives the zero MAC for what is no EUI-48 address (InfiniBand, tunnels).
func mac(address net.HardwareAddr) primitives.MAC {
	var found primitives.MAC
	if len(address) == len(found) {
		copy(found[:], address)
	}
	return found
}
