package bridge

import (
	"cmp"
	"errors"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// allVLANs reads the VLANs of all bridges and ports, by index.
func allVLANs() (map[int][]VLAN, error) {
	var table map[int32][]*nl.BridgeVlanInfo
	err := whole(func() (err error) {
		table, err = (&netlink.Handle{}).BridgeVlanList()
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[int][]VLAN{}
	for index, entries := range table {
		all[int(index)] = ranges(entries)
	}
	return all, nil
}

// ranges joins neighbours that have the same flags.
func ranges(entries []*nl.BridgeVlanInfo) []VLAN {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b *nl.BridgeVlanInfo) int { return cmp.Compare(a.Vid, b.Vid) })
	var joined []VLAN
	for _, entry := range entries {
		vlan := VLAN{
			First: entry.Vid, Last: entry.Vid,
			PVID:     entry.Flags&nl.BRIDGE_VLAN_INFO_PVID != 0,
			Untagged: entry.Flags&nl.BRIDGE_VLAN_INFO_UNTAGGED != 0,
		}
		if last := len(joined) - 1; last >= 0 && joined[last].continuedBy(vlan) {
			joined[last].Last = vlan.Last
			continue
		}
		joined = append(joined, vlan)
	}
	return joined
}

func (v VLAN) continuedBy(next VLAN) bool {
	return next.First == v.Last+1 && !v.PVID && !next.PVID && v.Untagged == next.Untagged
}

// setVLANs makes the VLANs of a bridge itself (self) or of a port what they
// shall be.
func setVLANs(link netlink.Link, wanted []VLAN) error {
	all, err := allVLANs()
	if err != nil {
		return err
	}
	there := all[link.Attrs().Index]
	for _, vlan := range without(there, wanted) {
		if err := dropVLAN(link, vlan); err != nil {
			return err
		}
	}
	for _, vlan := range without(wanted, there) {
		if err := addVLAN(link, vlan); err != nil {
			return err
		}
	}
	return nil
}

// The kernel takes neither a PVID nor a single VLAN as a range. Of a bridge the
// VLANs are its own (self), of a port those that its bridge (master) has of it.

func addVLAN(link netlink.Link, v VLAN) error {
	handle, self := &netlink.Handle{}, link.Type() == "bridge"
	if v.First == v.Last {
		return handle.BridgeVlanAdd(link, v.First, v.PVID, v.Untagged, self, !self)
	}
	return handle.BridgeVlanAddRange(link, v.First, v.Last, v.PVID, v.Untagged, self, !self)
}

func dropVLAN(link netlink.Link, v VLAN) error {
	handle, self := &netlink.Handle{}, link.Type() == "bridge"
	if v.First == v.Last {
		return handle.BridgeVlanDel(link, v.First, false, false, self, !self)
	}
	return handle.BridgeVlanDelRange(link, v.First, v.Last, false, false, self, !self)
}

func without(all, some []VLAN) []VLAN {
	return slices.DeleteFunc(slices.Clone(all), func(v VLAN) bool { return slices.Contains(some, v) })
}

// staticEntries reads the forwarding database's entries that somebody has made,
// by the index of their port.
func staticEntries() (map[int][]FDB, error) {
	var table []netlink.Neigh
	err := whole(func() (err error) {
		table, err = (&netlink.Handle{}).NeighList(0, unix.AF_BRIDGE)
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[int][]FDB{}
	for _, entry := range table {
		if entry.MasterIndex == 0 || entry.State != netlink.NUD_NOARP || entry.Flags&netlink.NTF_EXT_LEARNED != 0 {
			continue
		}
		static := FDB{MAC: macOf(entry.HardwareAddr), VLAN: uint16(entry.Vlan)}
		all[entry.LinkIndex] = append(all[entry.LinkIndex], static)
	}
	return all, nil
}

func addStaticEntry(index int, entry FDB) error {
	return (&netlink.Handle{}).NeighSet(&netlink.Neigh{
		LinkIndex: index, Family: unix.AF_BRIDGE, State: netlink.NUD_NOARP, Flags: netlink.NTF_MASTER,
		HardwareAddr: entry.MAC[:], Vlan: int(entry.VLAN),
	})
}

// whole repeats a dump that a change in the kernel's tables has interrupted,
// and takes the last one as it is where changes do not end.
func whole(dump func() error) error {
	for range 5 {
		if err := dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return err
		}
	}
	return nil
}

// macOf gives the zero MAC for what is no EUI-48 address.
func macOf(address []byte) primitives.MAC {
	var found primitives.MAC
	if len(address) == len(found) {
		copy(found[:], address)
	}
	return found
}
