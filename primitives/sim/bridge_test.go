package sim_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/sim"
)

// xenHost is a machine whose card is in a bridge with a MAC and two addresses
// of its own, beside a guest's port.
func xenHost(clock primitives.Clock) *sim.World {
	world := sim.New(1, clock)
	world.Add(sim.Machine{Name: "xen", Power: primitives.PowerOn, MAC: cardMAC, NICs: []sim.NIC{
		{Name: "eth0", Master: "br0", WakeSupported: "g", RefusesInBridge: true},
		{Name: "br0", Kind: "bridge", MAC: bridgeMAC, DefaultRoute: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.5/24"), netip.MustParsePrefix("2001:db8::5/64")}},
		{Name: "vif1.0", Kind: "virtual", Master: "br0"},
	}})
	return world
}

var (
	cardMAC   = primitives.MAC{2, 0, 0x5e, 0, 0x53, 0x20}
	bridgeMAC = primitives.MAC{2, 0, 0x5e, 0, 0x53, 0x10}
)

func TestABridgeGoesApartAndBack(t *testing.T) {
	in(t, xenHost, func(s stage, ctx context.Context) {
		view := s.world.At("xen")
		bridges := view.Bridge()
		look := func(name string) string {
			card, err := view.NIC().Get(ctx, name)
			s.ok(err)
			words := card.MAC.String() + " " + card.Master
			for _, address := range card.Addresses {
				words += " " + address.String()
			}
			if card.DefaultRoute {
				words += " default"
			}
			return words
		}
		snap, err := bridges.Snapshot(ctx, "br0")
		s.ok(err)
		before := []string{look("eth0"), look("br0"), look("vif1.0")}
		steps, err := bridges.Dissolution(ctx, snap, "eth0")
		s.ok(err)
		for _, step := range steps {
			s.ok(bridges.Apply(ctx, step))
		}
		if got := look("eth0"); got != bridgeMAC.String()+"  192.0.2.5/24 2001:db8::5/64 default" {
			s.Errorf("the card: %s", got)
		}
		if got := look("br0"); got != bridgeMAC.String()+" " {
			s.Errorf("the bridge: %s", got)
		}
		left, err := bridges.Dissolution(ctx, snap, "eth0")
		s.ok(err)
		for range 2 {
			s.ok(bridges.Restore(ctx, snap))
		}
		if after := []string{look("eth0"), look("br0"), look("vif1.0")}; !slices.Equal(before, after) || len(left) != 0 {
			s.Errorf("before %q, after %q, left to do %v", before, after, left)
		}
	})
}

// The machine's next boot sets its network up as it is configured, and takes no
// snapshot of an earlier one.
func TestABootSetsABridgeUp(t *testing.T) {
	in(t, xenHost, func(s stage, ctx context.Context) {
		bridges := s.world.At("xen").Bridge()
		snap, err := bridges.Snapshot(ctx, "br0")
		s.ok(err)
		s.ok(bridges.Apply(ctx, bridge.Step{Action: bridge.Leave, Bridge: "br0", Interface: "eth0"}))
		s.ok(bridges.Apply(ctx, bridge.Step{Action: bridge.SetMAC, Bridge: "br0", Interface: "eth0", Link: &bridge.Link{MAC: bridgeMAC}}))
		s.world.Arm("xen", "eth0", "g")
		s.world.PowerOff("xen")
		if s.world.Wake(cardMAC) || !s.world.Wake(bridgeMAC) {
			s.Error("the card wakes by the address that it was given last")
		}
		s.ok(s.world.AwaitPhase(ctx, "xen", sim.Up))
		card, err := s.world.At("xen").NIC().Get(ctx, "eth0")
		s.ok(err)
		if card.Master != "br0" || card.MAC != cardMAC || card.Wake.Set != "g" {
			s.Errorf("%+v", card)
		}
		_, err = bridges.Restoration(ctx, snap)
		s.kind(err, primitives.Invalid)
	})
}

func TestFaultsOfABridge(t *testing.T) {
	in(t, xenHost, func(s stage, ctx context.Context) {
		bridges := s.world.At("xen").Bridge()
		snap, err := bridges.Snapshot(ctx, "br0")
		s.ok(err)
		mend := s.world.Fault(sim.Fault{Machine: "xen", Power: "bridge", Verb: "step", Kind: primitives.Denied})
		s.kind(bridges.Apply(ctx, bridge.Step{Action: bridge.Leave, Bridge: "br0", Interface: "eth0"}), primitives.Denied)
		mend()
		s.ok(bridges.Restore(ctx, snap))
		_, err = bridges.Snapshot(ctx, "br9")
		s.kind(err, primitives.Invalid)
		_, err = bridges.Dissolution(ctx, snap, "eth9")
		s.kind(err, primitives.Invalid)
	})
}
