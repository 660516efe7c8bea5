package bridge

import (
	"cmp"
	"errors"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernel is Linux's, through rtnetlink, sysfs and procfs.
type kernel struct{}

func (kernel) bridges() ([]Bridge, error) {
	links, err := readLinks()
	if err != nil {
		return nil, err
	}
	return assemble(links), nil
}

// readLinks repeats a reading that a change in the kernel's table has
// interrupted, and takes the last one as it is where changes do not end.
func readLinks() ([]netlink.Link, error) {
	kernel := &netlink.Handle{}
	var links []netlink.Link
	var err error
	for range 5 {
		if links, err = kernel.LinkList(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return links, err
		}
	}
	return links, nil
}

func assemble(links []netlink.Link) []Bridge {
	slices.SortFunc(links, func(a, b netlink.Link) int { return cmp.Compare(a.Attrs().Index, b.Attrs().Index) })
	var bridges []Bridge
	for _, link := range links {
		if link.Type() == "bridge" {
			bridges = append(bridges, describe(link.Attrs(), links))
		}
	}
	return bridges
}

func describe(attrs *netlink.LinkAttrs, links []netlink.Link) Bridge {
	described := Bridge{
		Name: attrs.Name,
		STP:  spanningTree(attrs.Name, attrs.Index),
		Up:   attrs.RawFlags&unix.IFF_UP != 0,
	}
	copy(described.MAC[:], attrs.HardwareAddr)
	for _, link := range links {
		if link.Attrs().MasterIndex == attrs.Index {
			described.Ports = append(described.Ports, link.Attrs().Name)
		}
	}
	slices.Sort(described.Ports)
	return described
}

// spanningTree tells whether a bridge takes part in the spanning tree, by the
// kernel's hand (1) or a daemon's (2).
func spanningTree(name string, index int) bool {
	state := sysfs(name, index).read("bridge/stp_state")
	return state != "" && state != "0"
}
