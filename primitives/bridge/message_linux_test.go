package bridge

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// byNumber gives interfaces names that are their numbers.
func byNumber(index int) string { return map[int]string{3: "br0", 4: "eth0"}[index] }

func numbered(name string) (int, error) { return map[string]int{"br0": 3, "eth0": 4}[name], nil }

// What is sent is what would be read.
func TestAMessageIsReadAsItIsWritten(t *testing.T) {
	for _, address := range []Address{
		{Prefix: prefix("192.0.2.5/24"), Broadcast: netip.MustParseAddr("192.0.2.255"), Label: "br0:1", Scope: 253, Metric: 7, Flags: unix.IFA_F_NOPREFIXROUTE, Valid: Forever, Preferred: Forever},
		{Prefix: prefix("192.0.2.5/32"), Peer: netip.MustParseAddr("192.0.2.9"), Valid: 300, Preferred: 0},
		{Prefix: prefix("2001:db8::5/64"), Protocol: 5, Flags: unix.IFA_F_HOMEADDRESS | unix.IFA_F_NODAD, Valid: Forever, Preferred: 10},
	} {
		data, err := encodeAddress(3, address)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := parseAddress(data); err != nil || read.Address != address || read.index != 3 {
			t.Errorf("%+v\nbecame %+v, %v", address, read, err)
		}
	}
	single, several := []Hop{{Interface: "br0", Gateway: netip.MustParseAddr("192.0.2.1"), OnLink: true}}, []Hop{
		{Interface: "br0", Gateway: netip.MustParseAddr("192.0.2.1"), Weight: 1, Realm: 4},
		{Interface: "eth0", Gateway: netip.MustParseAddr("fe80::1"), Weight: 256, EncapType: 3, Encap: "0800010000000001"},
		{Interface: "eth0", Weight: 2, OnLink: true},
	}
	for _, route := range []Route{
		{Destination: prefix("0.0.0.0/0"), Table: 254, Type: 1, Protocol: 3, Hops: single, Metrics: "0800020078050000", Realm: 9},
		{Destination: prefix("198.51.100.0/24"), Table: 100000, TOS: 16, Type: 1, Scope: 253, Protocol: 99, Metric: 5, PreferredSource: netip.MustParseAddr("192.0.2.5"), Hops: several},
		{Destination: prefix("2001:db8::/48"), Source: prefix("2001:db8:1::/64"), Table: 254, Type: 1, Protocol: 9, Preference: 1, Hops: []Hop{{Interface: "eth0", Gateway: netip.MustParseAddr("fe80::1")}}},
	} {
		data, err := encodeRoute(route, numbered)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := parseRoute(data, byNumber); err != nil || !read.same(route) {
			t.Errorf("%+v\nbecame %+v, %v", route, read, err)
		}
	}
}

func TestAddressesOfTheKernel(t *testing.T) {
	card := [6]byte{2, 0, 0x5e, 0, 0x53, 0x20}
	for text, address := range map[string]placed{
		"from the MAC":        {Address: Address{Prefix: prefix("fe80::5eff:fe00:5320/64")}},
		"from an earlier one": {Address: Address{Prefix: prefix("fe80::7/64"), Protocol: kernelLinkLocal}},
		"from a secret":       {Address: Address{Prefix: prefix("fe80::8/64")}, flags: unix.IFA_F_STABLE_PRIVACY},
		"temporary":           {Address: Address{Prefix: prefix("2001:db8::9/64")}, flags: unix.IFA_F_TEMPORARY},
	} {
		if !address.ofKernel(card) {
			t.Errorf("%s: not the kernel's", text)
		}
	}
	for text, address := range map[string]placed{
		"by hand":   {Address: Address{Prefix: prefix("fe80::1/64")}},
		"global":    {Address: Address{Prefix: prefix("2001:db8::5eff:fe00:5320/64")}},
		"secondary": {Address: Address{Prefix: prefix("192.0.2.6/24")}, flags: unix.IFA_F_SECONDARY},
	} {
		if address.ofKernel(card) {
			t.Errorf("%s: the kernel's", text)
		}
	}
}

// The kernel's messages are read to their end, whatever is in them, and what is
// read can be sent.
func FuzzMessages(f *testing.F) {
	address, _ := encodeAddress(3, Address{Prefix: prefix("192.0.2.5/24"), Label: "br0"})
	route, _ := encodeRoute(Route{Destination: prefix("0.0.0.0/0"), Table: 254, Type: 1, Hops: []Hop{{Interface: "br0", Weight: 1}, {Interface: "eth0", Weight: 9}}}, numbered)
	for _, seed := range [][]byte{address, route, route[:13], nil, slices.Repeat([]byte{9}, 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parseAddress(data)
		_, _ = parseRule(data)
		read, err := parseRoute(data, byNumber)
		if err != nil || read.check() != nil {
			return
		}
		if _, err := encodeRoute(read, numbered); err != nil {
			t.Errorf("%+v: %v", read, err)
		}
	})
}
