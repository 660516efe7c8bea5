package nic

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/mdlayher/ethtool"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// fakeKernel answers for the ethtool family as ethnl_set_wol of Linux does, for
// one card, eth0 with the index 2, and shows the card in a /sys of its own.
type fakeKernel struct {
	t    *testing.T
	tree sysfs

	supported, set uint32
	password       []byte

	readErrno, setErrno syscall.Errno // refuses every WOL_GET, WOL_SET
	forgets             bool          // takes a mode and does not keep it
	sets                int           // WOL_SETs that it took
}

const ethtoolID = 21

func newFakeKernel(t *testing.T, supported ethtool.WOLMode) *fakeKernel {
	k := &fakeKernel{t: t, tree: sysfs{t, t.TempDir()}, supported: uint32(supported)}
	k.tree.card("eth0", 2, "devices/pci0000:00/0000:00:03.0", "pci", "e1000e")
	k.tree.file("devices/pci0000:00/0000:00:03.0/power/wakeup", "disabled")
	return k
}

// client sees the card as eth0 changed it, among others.
func (k *fakeKernel) client(eth0 func(*Interface), others ...Interface) *Client {
	devices := devices{root: filepath.Join(k.tree.root, "class/net")}
	open := func() *ethtoolFamily {
		conn := genltest.Dial(genltest.ServeFamily(genetlink.Family{ID: ethtoolID, Version: 1, Name: unix.ETHTOOL_GENL_NAME}, k.serve))
		return ethtoolOn(conn)
	}
	return &Client{
		read: func(context.Context) (snapshot, error) {
			family := open()
			defer family.close()
			behind := devices.of("eth0", 2)
			card := Interface{Name: "eth0", Index: 2, Kind: KindPhysical, Driver: behind.driver, Bus: behind.address, Up: true, Wake: family.wake(2)}
			card.Wake.Device = behind.wakeup
			if eth0 != nil {
				eth0(&card)
			}
			return snapshot{all: append([]Interface{card}, others...)}, nil
		},
		wake: func() waker { return systemWaker{open(), devices} },
	}
}

func (k *fakeKernel) serve(request genetlink.Message, header netlink.Message) ([]genetlink.Message, error) {
	if header.Header.Type != ethtoolID {
		return nil, fmt.Errorf("a message for family %d", header.Header.Type)
	}
	asked := k.parse(request.Data)
	if asked.index != 2 {
		return nil, genltest.Error(int(unix.ENODEV))
	}
	switch request.Header.Command {
	case unix.ETHTOOL_MSG_WOL_GET:
		if k.readErrno != 0 {
			return nil, genltest.Error(int(k.readErrno))
		}
		return []genetlink.Message{{Header: request.Header, Data: wakeReply(k.t, k.supported, k.set, k.password)}}, nil
	case unix.ETHTOOL_MSG_WOL_SET:
		if header.Header.Flags&netlink.Acknowledge == 0 {
			k.t.Error("WOL_SET without a request for its acknowledgement")
		}
		return []genetlink.Message{{Header: request.Header}}, k.take(asked)
	}
	return nil, fmt.Errorf("command %d", request.Header.Command)
}

func (k *fakeKernel) take(asked asked) error {
	switch {
	case k.setErrno != 0:
		return genltest.Error(int(k.setErrno))
	case !asked.noMask || asked.size != 8 || asked.value&^k.supported != 0,
		asked.password != nil && k.supported&uint32(ethtool.MagicSecure) == 0:
		return genltest.Error(int(unix.EINVAL))
	}
	k.sets++
	if !k.forgets {
		k.set = asked.value
		if asked.password != nil {
			k.password = asked.password
		}
	}
	return nil
}

// asked is what a message to the family has.
type asked struct {
	index, flags, size, value uint32
	noMask                    bool
	password                  []byte
	strange                   []uint16 // attributes that it should not have
}

func (k *fakeKernel) parse(data []byte) asked {
	k.t.Helper()
	read, err := parseAsked(data)
	if err != nil || len(read.strange) > 0 {
		k.t.Errorf("the message has attributes %v, %v", read.strange, err)
	}
	return read
}

func parseAsked(data []byte) (asked, error) {
	var read asked
	decoder, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return read, err
	}
	for decoder.Next() {
		switch decoder.Type() {
		case unix.ETHTOOL_A_WOL_HEADER:
			decoder.Nested(read.header)
		case unix.ETHTOOL_A_WOL_MODES:
			decoder.Nested(read.bits)
		case unix.ETHTOOL_A_WOL_SOPASS:
			read.password = slices.Clone(decoder.Bytes())
		default:
			read.strange = append(read.strange, decoder.Type())
		}
	}
	return read, decoder.Err()
}

func (a *asked) header(decoder *netlink.AttributeDecoder) error {
	for decoder.Next() {
		switch decoder.Type() {
		case unix.ETHTOOL_A_HEADER_DEV_INDEX:
			a.index = decoder.Uint32()
		case unix.ETHTOOL_A_HEADER_FLAGS:
			a.flags = decoder.Uint32()
		default:
			a.strange = append(a.strange, decoder.Type())
		}
	}
	return nil
}

func (a *asked) bits(decoder *netlink.AttributeDecoder) error {
	for decoder.Next() {
		switch decoder.Type() {
		case unix.ETHTOOL_A_BITSET_NOMASK:
			a.noMask = true
		case unix.ETHTOOL_A_BITSET_SIZE:
			a.size = decoder.Uint32()
		case unix.ETHTOOL_A_BITSET_VALUE:
			a.value = decoder.Uint32()
		default:
			a.strange = append(a.strange, decoder.Type())
		}
	}
	return nil
}
