package wol

import (
	"net/netip"
	"testing"

	"ctys/primitives"
)

func TestDirectedBroadcast(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.3.17/24":         "192.168.3.255",
		"192.168.3.17/25":         "192.168.3.127",
		"192.168.3.250/29":        "192.168.3.255",
		"10.1.2.3/8":              "10.255.255.255",
		"172.16.5.4/20":           "172.16.15.255",
		"10.0.0.1/30":             "10.0.0.3",
		"0.0.0.0/0":               "255.255.255.255",
		"::ffff:192.168.3.17/120": "192.168.3.255",
	} {
		got, err := DirectedBroadcast(netip.MustParsePrefix(text))
		if err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestDirectedBroadcastRefuses(t *testing.T) {
	prefixes := []netip.Prefix{{}}
	for _, text := range []string{"10.0.0.1/31", "10.0.0.1/32", "fd00::1/64", "fe80::1/10", "::ffff:10.0.0.1/64"} {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	for _, prefix := range prefixes {
		if got, err := DirectedBroadcast(prefix); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: got %s, %v; want kind invalid", prefix, got, err)
		}
	}
}
