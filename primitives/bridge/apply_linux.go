package bridge

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// errGone tells that an interface that a step needs is not there any more.
var errGone = errors.New("there is no such interface any more")

func (k kernel) apply(step Step) error {
	switch step.Action {
	case Create:
		return createBridge(step.Interface)
	case RestoreRule:
		return giveRule(*step.Rule)
	case MoveRoute:
		return k.moveRoute(step)
	}
	link, err := find(step.Interface)
	if err != nil {
		if step.Action == TakeAddress || step.Action == Leave {
			return nil
		}
		return err
	}
	switch step.Action {
	case GiveAddress:
		return giveAddress(link.Attrs().Index, *step.Address)
	case TakeAddress:
		return takeAddress(link.Attrs().Index, *step.Address)
	case Join, Leave:
		return enslave(step, link)
	}
	return k.change(step, link)
}

// change sets what belongs to an interface alone.
func (kernel) change(step Step, link netlink.Link) error {
	handle := &netlink.Handle{}
	switch step.Action {
	case Configure:
		return configure(link, step.Link.Settings)
	case SetVLANs:
		return setVLANs(link, step.Link.VLANs)
	case SetFDB:
		for _, entry := range step.Link.FDB {
			if err := addStaticEntry(link.Attrs().Index, entry); err != nil {
				return err
			}
		}
		return nil
	case SetMAC:
		return setMAC(link, step.Link.MAC)
	case SetMTU:
		return handle.LinkSetMTU(link, step.Link.MTU)
	case SetIPv6:
		return switchIPv6(step.Interface, step.Link.IPv6Off)
	case BringUp:
		return handle.LinkSetUp(link)
	}
	return fmt.Errorf("%s %q", unknownSteps, step.Action)
}

func find(name string) (netlink.Link, error) {
	link, err := (&netlink.Handle{}).LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, fmt.Errorf("%s: %w", name, errGone)
	}
	return link, err
}

func index(name string) (int, error) {
	link, err := find(name)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Index, nil
}

func createBridge(name string) error {
	attrs := netlink.NewLinkAttrs() // the kernel's own where zero would be a value
	attrs.Name = name
	err := (&netlink.Handle{}).LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	link, err := find(name)
	if err == nil && link.Type() != "bridge" {
		return primitives.Errorf(primitives.Unsupported, "bridge.create", name, "an interface of another kind (%s) has this name now", link.Type())
	}
	return err
}

// enslave puts an interface into the bridge or takes it out of it.
func enslave(step Step, link netlink.Link) error {
	handle := &netlink.Handle{}
	bridge, err := find(step.Bridge)
	if step.Action == Leave {
		if err != nil || link.Attrs().MasterIndex != bridge.Attrs().Index {
			return nil
		}
		return handle.LinkSetNoMaster(link)
	}
	if err != nil || link.Attrs().MasterIndex == bridge.Attrs().Index {
		return err
	}
	return handle.LinkSetMasterByIndex(link, bridge.Attrs().Index)
}

func configure(link netlink.Link, settings map[string]string) error {
	attrs := link.Attrs()
	if link.Type() == "bridge" {
		return sysfs(attrs.Name, attrs.Index).configure("bridge", BridgeSettings, settings)
	}
	return sysfs(attrs.Name, attrs.Index).configure("brport", PortSettings, settings)
}

// setMAC gives an interface another hardware address. Some drivers take one
// only while it is down.
func setMAC(link netlink.Link, mac primitives.MAC) error {
	handle := &netlink.Handle{}
	if macOf(link.Attrs().HardwareAddr) == mac && link.Type() != "bridge" {
		return nil
	}
	err := handle.LinkSetHardwareAddr(link, mac[:])
	if !errors.Is(err, unix.EBUSY) || link.Attrs().RawFlags&unix.IFF_UP == 0 {
		return err
	}
	if err := handle.LinkSetDown(link); err != nil {
		return err
	}
	err = handle.LinkSetHardwareAddr(link, mac[:])
	return errors.Join(err, handle.LinkSetUp(link))
}

func (kernel) moveRoute(step Step) error {
	if step.Take != nil {
		if err := takeRoute(*step.Take, index); err != nil {
			return err
		}
	}
	if step.Give != nil {
		return giveRoute(*step.Give, index)
	}
	return nil
}
