package nic

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ctys/primitives"
)

// host gives a Client that sees the interfaces in the given order.
func host(all ...Interface) *Client {
	for i := range all {
		all[i].Index = i + 1
	}
	return &Client{read: func(context.Context) (snapshot, error) {
		seen := snapshot{all: all}
		for _, each := range all {
			if each.DefaultRoute {
				seen.defaults = append(seen.defaults, each.Name)
			}
		}
		return seen, nil
	}}
}

func card(name string) Interface { return Interface{Name: name, Kind: KindPhysical} }

func linkedCard(name string) Interface {
	return Interface{Name: name, Kind: KindPhysical, Up: true, Carrier: true}
}

func over(kind, name string, lower ...string) Interface {
	return Interface{Name: name, Kind: kind, Lower: lower}
}

func activeBackup(name, active string, slaves ...string) Interface {
	return Interface{Name: name, Kind: KindBond, Lower: slaves, ActiveSlave: active}
}

func TestDescend(t *testing.T) {
	tests := []struct {
		name string
		host *Client
		from string
		want string
	}{
		{"a card", host(card("eth0"), card("eth1")), "eth1", "eth1"},
		{"VLAN", host(card("eth0"), over(KindVLAN, "eth0.5", "eth0")), "eth0.5", "eth0"},
		{"VLAN in a VLAN", host(card("eth0"), over(KindVLAN, "a", "eth0"), over(KindVLAN, "b", "a")), "b", "eth0"},
		{"macvlan", host(card("eth0"), over("macvlan", "mv", "eth0")), "mv", "eth0"},

		{"bridge with guests", host(card("eth0"), over("tun", "vnet0"), over("veth", "v1"), over(KindBridge, "br0", "vnet0", "eth0", "v1")), "br0", "eth0"},
		{"bridge with two cards", host(card("eth0"), card("eth1"), over(KindBridge, "br0", "eth1", "eth0")), "br0", "eth0 eth1"},
		{"bridge on a VLAN", host(card("eth0"), over(KindVLAN, "eth0.5", "eth0"), over(KindBridge, "br5", "eth0.5")), "br5", "eth0"},
		{"bridge on a bond", host(card("a"), card("b"), activeBackup("bond0", "b", "a", "b"), over(KindBridge, "br0", "bond0")), "br0", "b"},
		{"two ways to one card", host(card("e"), over(KindVLAN, "v1", "e"), over(KindVLAN, "v2", "e"), over(KindBridge, "br0", "v1", "v2")), "br0", "e"},

		{"bond with an active slave", host(card("eth0"), card("eth1"), activeBackup("bond0", "eth1", "eth0", "eth1")), "bond0", "eth1"},
		{"bond that uses all", host(card("eth0"), card("eth1"), activeBackup("bond0", "", "eth0", "eth1")), "bond0", "eth0 eth1"},
		{"VLAN on a bond", host(card("eth0"), card("eth1"), activeBackup("bond0", "eth0", "eth0", "eth1"), over(KindVLAN, "bond0.7", "bond0")), "bond0.7", "eth0"},

		{"team, second port linked", host(card("eth0"), linkedCard("eth1"), over(KindTeam, "team0", "eth0", "eth1")), "team0", "eth1"},
		{"team, none linked", host(card("eth0"), card("eth1"), over(KindTeam, "team0", "eth0", "eth1")), "team0", "eth0"},
		{"team of one", host(card("eth0"), over(KindTeam, "team0", "eth0")), "team0", "eth0"},

		{"Xen: bridge eth0, port peth0", host(card("peth0"), over(KindVirtual, "vif0.0"), over(KindBridge, "eth0", "peth0", "vif0.0")), "eth0", "peth0"},
		{"Xen: loopback eth0, bridge xenbr0", host(card("peth0"), over(KindVirtual, "vif0.0"), over(KindVirtual, "eth0"), over(KindBridge, "xenbr0", "peth0", "vif0.0")), "eth0", "peth0"},
		{"Xen: the bridge itself", host(card("peth0"), over(KindVirtual, "vif0.0"), over(KindVirtual, "eth0"), over(KindBridge, "xenbr0", "peth0", "vif0.0")), "xenbr0", "peth0"},
		{"Xen: a card eth0 is not taken for a renamed one", host(card("eth0"), card("peth0")), "eth0", "eth0"},
		{"Xen: VLAN on a renamed card", host(card("peth0"), over(KindVirtual, "eth0"), over(KindVLAN, "eth0.5", "eth0")), "eth0.5", "peth0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.host.Descend(t.Context(), test.from)
			if err != nil || !slices.Equal(got, strings.Fields(test.want)) {
				t.Errorf("from %s: got %v, %v; want %s", test.from, got, err, test.want)
			}
		})
	}
}

func TestDescendFindsNothing(t *testing.T) {
	tests := []struct {
		name string
		host *Client
		from string
		kind primitives.Kind
		says string
	}{
		{"no such name", host(card("eth0"), card("eth1")), "eth7", primitives.Invalid, "eth0, eth1"},
		{"no interface at all", host(), "eth0", primitives.Invalid, "none"},
		{"bridge of guests alone", host(card("eth0"), over("tun", "vnet0"), over(KindBridge, "virbr0", "vnet0")), "virbr0", primitives.Unsupported, "vnet0 (tun)"},
		{"empty bridge", host(card("eth0"), over(KindBridge, "br0")), "br0", primitives.Unsupported, "bridge"},
		{"veth", host(over("veth", "eth0")), "eth0", primitives.Unsupported, "veth"},
		{"pethN that is no card", host(over("veth", "peth0"), over(KindVirtual, "eth0")), "eth0", primitives.Unsupported, "virtual"},
		{"a ring", host(over(KindVLAN, "a", "b"), over(KindVLAN, "b", "a")), "a", primitives.Unsupported, "b (vlan)"},
		{"bond whose slave is gone", host(card("eth0"), activeBackup("bond0", "gone", "gone")), "bond0", primitives.Unsupported, "gone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.host.Descend(t.Context(), test.from)
			if primitives.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, %v; want kind %s that says %q", got, err, test.kind, test.says)
			}
		})
	}
}

func TestDefault(t *testing.T) {
	routed := linkedCard("eth2")
	routed.DefaultRoute = true
	downButLinked := card("eth0")
	downButLinked.Carrier = true
	loopback := over(KindLoopback, "lo")
	tests := []struct {
		name string
		host *Client
		want string
	}{
		{"default route", host(loopback, linkedCard("eth1"), routed), "eth2"},
		{"carrier", host(loopback, card("eth0"), linkedCard("eth1"), linkedCard("eth2")), "eth1"},
		{"up, not only linked", host(loopback, downButLinked, linkedCard("eth1")), "eth1"},
		{"first", host(loopback, over("veth", "v"), card("eth0"), card("eth1")), "eth0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.host.Default(t.Context())
			if err != nil || got.Name != test.want {
				t.Errorf("got %s, %v; want %s", got.Name, err, test.want)
			}
		})
	}
	if got, err := host(loopback, over("veth", "v")).Default(t.Context()); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("nothing physical: got %s, %v; want kind unsupported", got.Name, err)
	}
}

func TestErrorsOfTheSystemAreNamed(t *testing.T) {
	broken := &Client{read: func(context.Context) (snapshot, error) { return snapshot{}, errors.New("no netlink") }}
	_, list := broken.List(t.Context())
	_, get := broken.Get(t.Context(), "eth0")
	_, descend := broken.Descend(t.Context(), "eth0")
	_, byDefault := broken.Default(t.Context())
	for op, err := range map[string]error{"nic.list": list, "nic.get": get, "nic.descend": descend, "nic.default": byDefault} {
		var own *primitives.Error
		if !errors.As(err, &own) || own.Op != op || !strings.Contains(err.Error(), "no netlink") {
			t.Errorf("%s: got %v", op, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New().List(canceled); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("canceled: got %v", err)
	}
}

func TestMagic(t *testing.T) {
	for supported, want := range map[string]bool{"pumbg": true, "g": true, "pumb": false, "": false, "d": false} {
		if got := (Wake{Supported: supported}).Magic(); got != want {
			t.Errorf("%q: %v", supported, got)
		}
	}
}
