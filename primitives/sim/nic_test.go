package sim_test

import (
	"context"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/nic"
	"ctys/primitives/sim"
	"ctys/primitives/wol"
)

// The rack's lab01 has a bridge br0 with the port eth0, which can wake it.

func TestArmedCardWakesItsMachine(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		cards := s.world.At("lab01").NIC()
		machine, _ := s.world.Machine("lab01")
		send := func() {
			_, err := s.world.At("").WOL().Send(ctx, wol.Request{MAC: machine.MAC, Address: machine.Broadcast})
			s.ok(err)
		}
		card, err := cards.Disarm(ctx, "eth0")
		s.ok(err)
		if card.Wake.Set != "d" {
			s.Errorf("disarmed: %+v", card.Wake)
		}
		s.world.PowerOff("lab01")
		send()
		s.phase("lab01", sim.Off)

		s.world.PowerOn("lab01")
		s.ok(s.world.AwaitPhase(ctx, "lab01", sim.Up))
		for range 2 {
			card, err = cards.Arm(ctx, nic.Arming{Name: "eth0"})
			s.ok(err)
			if card.Wake.Set != "g" || card.Wake.Device != "enabled" || card.Wake.Beyond == "" {
				s.Errorf("armed: %+v", card.Wake)
			}
		}
		s.world.PowerOff("lab01")
		send()
		s.phase("lab01", sim.Booting)
	})
}

func TestArmedWithAPassword(t *testing.T) {
	in(t, withCard(sim.NIC{Name: "eth0", WakeSupported: "gs"}), func(s stage, ctx context.Context) {
		password := []byte{0, 0x22, 0x44, 0x66, 0x88, 0xaa}
		card, err := s.world.At("solo").NIC().Arm(ctx, nic.Arming{Name: "eth0", Password: password})
		s.ok(err)
		if card.Wake.Set != "gs" {
			s.Errorf("armed: %+v", card.Wake)
		}
		_, err = s.world.At("solo").NIC().Arm(ctx, nic.Arming{Name: "eth0", Password: password[:4]})
		s.kind(err, primitives.Invalid)
		s.world.PowerOff("solo")
		if s.world.Wake(card.MAC) || s.world.Wake(card.MAC, 0, 0x22, 0x44, 0x66, 0x88, 0xab) {
			s.Error("it woke without its password")
		}
		if !s.world.Wake(card.MAC, password...) {
			s.Error("it did not wake with its password")
		}
	})
}

func TestADisabledDeviceDoesNotWake(t *testing.T) {
	in(t, withCard(sim.NIC{Name: "eth0", WakeSupported: "pumbg", WakeSet: "g", WakeDevice: "disabled"}), func(s stage, ctx context.Context) {
		card, err := s.world.At("solo").NIC().Get(ctx, "eth0")
		s.ok(err)
		s.world.PowerOff("solo")
		if s.world.Wake(card.MAC) {
			s.Error("it woke")
		}
		s.world.PowerOn("solo")
		s.ok(s.world.AwaitPhase(ctx, "solo", sim.Up))
		_, err = s.world.At("solo").NIC().Arm(ctx, nic.Arming{Name: "eth0"})
		s.ok(err)
		s.world.PowerOff("solo")
		if !s.world.Wake(card.MAC) {
			s.Error("arming did not let the device wake it")
		}
	})
}

func TestArmingRefused(t *testing.T) {
	bridged := []sim.NIC{
		{Name: "br0", Kind: nic.KindBridge},
		{Name: "eth0", Driver: "tg3", Master: "br0", WakeSupported: "g", RefusesInBridge: true},
		{Name: "eth1", Driver: "8139too", WakeSupported: "pumb"},
	}
	for _, test := range []struct {
		name string
		kind primitives.Kind
		says []string
	}{
		{"eth0", primitives.Unsupported, []string{"eth0", "driver tg3", "a port of bridge br0", "supports g", "take eth0 out of br0"}},
		{"eth1", primitives.Unsupported, []string{"eth1", "driver 8139too", "supports pumb", "no g", "BMC"}},
		{"br0", primitives.Unsupported, []string{"br0", "bridge", "operation not supported"}},
		{"eth9", primitives.Invalid, []string{"eth9", "br0, eth0, eth1"}},
	} {
		in(t, withCard(bridged...), func(s stage, ctx context.Context) {
			_, err := s.world.At("solo").NIC().Arm(ctx, nic.Arming{Name: test.name})
			s.kind(err, test.kind)
			for _, words := range test.says {
				if !strings.Contains(err.Error(), words) {
					s.Errorf("%s: %v; it does not say %q", test.name, err, words)
				}
			}
		})
	}
}

func TestAPortThatLeftItsBridgeIsArmed(t *testing.T) {
	in(t, withCard(sim.NIC{Name: "eth0", WakeSupported: "g", RefusesInBridge: true}), func(s stage, ctx context.Context) {
		_, err := s.world.At("solo").NIC().Arm(ctx, nic.Arming{Name: "eth0"})
		s.ok(err)
	})
}

func TestArmingFaults(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		cards := s.world.At("lab01").NIC()
		mend := s.world.Fault(sim.Fault{Machine: "lab01", Power: "nic", Verb: "arm", Kind: primitives.Internal, Message: "set, but reads back d"})
		_, err := cards.Arm(ctx, nic.Arming{Name: "eth0"})
		s.kind(err, primitives.Internal)
		mend()
		_, err = cards.Arm(ctx, nic.Arming{Name: "eth0"})
		s.ok(err)
		_, err = s.world.At("").NIC().Arm(ctx, nic.Arming{Name: "eth0"})
		s.kind(err, primitives.Denied)
	})
}

// withCard is a world of one machine, solo, that is on and has these interfaces.
func withCard(cards ...sim.NIC) func(primitives.Clock) *sim.World {
	return func(clock primitives.Clock) *sim.World {
		world := sim.New(1, clock)
		world.Add(sim.Machine{Name: "solo", Power: primitives.PowerOn, NICs: cards})
		return world
	}
}
