package bridge

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func readSystem(context.Context) ([]Bridge, error) {
	links, err := readLinks()
	if err != nil {
		return nil, err
	}
	return assemble(links, "/sys/class/net"), nil
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

func assemble(links []netlink.Link, sysfs string) []Bridge {
	slices.SortFunc(links, func(a, b netlink.Link) int { return cmp.Compare(a.Attrs().Index, b.Attrs().Index) })
	var bridges []Bridge
	for _, link := range links {
		if link.Type() == "bridge" {
			bridges = append(bridges, describe(link.Attrs(), links, sysfs))
		}
	}
	return bridges
}

func describe(attrs *netlink.LinkAttrs, links []netlink.Link, sysfs string) Bridge {
	described := Bridge{
		Name: attrs.Name,
		STP:  spanningTree(filepath.Join(sysfs, attrs.Name), attrs.Index),
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
// kernel's hand (1) or a daemon's (2). The /sys of another network namespace
// may show another interface by this name, so the index is compared.
func spanningTree(folder string, index int) bool {
	state := word(filepath.Join(folder, "bridge", "stp_state"))
	return word(filepath.Join(folder, "ifindex")) == strconv.Itoa(index) && state != "" && state != "0"
}

func word(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}
