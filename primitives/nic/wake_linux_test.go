package nic

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mdlayher/ethtool"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// wakeReply lays out the kernel's answer to WOL_GET, with attributes that ctys
// does not read among them.
func wakeReply(t testing.TB, mask, value uint32, password []byte) []byte {
	t.Helper()
	encoder := netlink.NewAttributeEncoder()
	encoder.Nested(unix.ETHTOOL_A_WOL_HEADER, func(header *netlink.AttributeEncoder) error {
		header.Uint32(unix.ETHTOOL_A_HEADER_DEV_INDEX, 2)
		header.String(unix.ETHTOOL_A_HEADER_DEV_NAME, "eth0")
		return nil
	})
	encoder.Nested(unix.ETHTOOL_A_WOL_MODES, func(bits *netlink.AttributeEncoder) error {
		bits.Uint32(unix.ETHTOOL_A_BITSET_SIZE, 8)
		bits.Uint32(unix.ETHTOOL_A_BITSET_VALUE, value)
		bits.Uint32(unix.ETHTOOL_A_BITSET_MASK, mask)
		return nil
	})
	if password != nil {
		encoder.Bytes(unix.ETHTOOL_A_WOL_SOPASS, password)
	}
	data, err := encoder.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWakeModes(t *testing.T) {
	all := uint32(ethtool.PHY | ethtool.Unicast | ethtool.Multicast | ethtool.Broadcast | ethtool.ARP |
		ethtool.Magic | ethtool.MagicSecure | ethtool.Filter)
	pumbg := uint32(ethtool.PHY | ethtool.Unicast | ethtool.Multicast | ethtool.Broadcast | ethtool.Magic)
	for _, test := range []struct {
		mask, value uint32
		want        Wake
	}{
		{pumbg, uint32(ethtool.Magic), Wake{Supported: "pumbg", Set: "g"}},
		{pumbg, 0, Wake{Supported: "pumbg", Set: "d"}},
		{all, all, Wake{Supported: "pumbagsf", Set: "pumbagsf"}},
		{uint32(ethtool.Magic | ethtool.MagicSecure), uint32(ethtool.MagicSecure), Wake{Supported: "gs", Set: "s"}},
		{1 << 20, 1 << 20, Wake{Set: "d", Cause: "the driver offers no mode but d, off"}},
		{0, 0, Wake{Set: "d", Cause: "the driver offers no mode but d, off"}},
	} {
		read, err := parseModes(wakeReply(t, test.mask, test.value, make([]byte, 6)))
		if err != nil {
			t.Fatal(err)
		}
		if test.want.Magic() {
			test.want.Beyond = Beyond
		}
		if got := read.wake(); got != test.want {
			t.Errorf("%b %b: got %+v, want %+v", test.mask, test.value, got, test.want)
		}
	}
}

func TestGetModes(t *testing.T) {
	message, err := getModes(7)
	if err != nil {
		t.Fatal(err)
	}
	want := asked{index: 7, flags: unix.ETHTOOL_FLAG_COMPACT_BITSETS}
	if got, err := parseAsked(message); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestSetModes(t *testing.T) {
	for _, wanted := range []modes{
		{},
		{set: ethtool.Magic},
		{set: ethtool.Magic | ethtool.MagicSecure, password: []byte{0, 0x22, 0x44, 0x66, 0x88, 0xaa}},
	} {
		message, err := setModes(7, wanted)
		if err != nil {
			t.Fatal(err)
		}
		want := asked{index: 7, flags: unix.ETHTOOL_FLAG_COMPACT_BITSETS, size: 8, value: uint32(wanted.set), noMask: true, password: wanted.password}
		if got, err := parseAsked(message); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestParsePassword(t *testing.T) {
	want := []byte{0, 0x22, 0x44, 0x66, 0x88, 0xaa}
	if read, err := parseModes(wakeReply(t, 0x60, 0x60, want)); err != nil || !bytes.Equal(read.password, want) {
		t.Errorf("got %x, %v", read.password, err)
	}
	if read, err := parseModes(wakeReply(t, 0x20, 0x20, nil)); err != nil || read.password != nil {
		t.Errorf("a driver that has none: got %x, %v", read.password, err)
	}
}

func TestWakeCause(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EPERM:      "CAP_NET_ADMIN",
		unix.EOPNOTSUPP: "operation not supported",
		unix.ENODEV:     "gone",
		unix.EIO:        "input/output error",
	} {
		if got := wakeCause(&netlink.OpError{Op: "receive", Err: errno}); !strings.Contains(got, want) {
			t.Errorf("%v: %q", errno, got)
		}
	}
	if got := wakeCause(errors.New("anything")); got != "anything" {
		t.Errorf("got %q", got)
	}
}

func FuzzParseModes(f *testing.F) {
	reply := wakeReply(f, 0x3f, 0x20, make([]byte, 6))
	f.Add(reply)
	f.Add([]byte{})
	for cut := range 8 {
		f.Add(reply[:len(reply)-4*cut-1])
	}
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		modes, err := parseModes(data)
		if err != nil {
			return
		}
		read := modes.wake()
		if read.Set == "" || len(read.Supported) > len(wakeLetters) {
			t.Fatalf("%x: %+v", data, read)
		}
	})
}
