package sim

import (
	"context"
	"fmt"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim/bmc"
)

// Identify has the machine show itself, as the real client does.
func (p *IPMI) Identify(ctx context.Context, target ipmi.Target, identify ipmi.Identify) error {
	return p.speak(ctx, target, "identify", bmc.Operator, func(_ call, m *machine) (string, error) {
		m.bmc.forever = identify.Forever
		m.bmc.identify = p.view.world.time.Now().Add(identify.For)
		return m.bmc.identifyWord(p.view.world.time.Now()), nil
	})
}

// Boot gives the boot flags.
func (p *IPMI) Boot(ctx context.Context, target ipmi.Target) (boot ipmi.Boot, err error) {
	err = p.speak(ctx, target, "boot", bmc.Operator, func(_ call, m *machine) (string, error) {
		boot = m.bmc.bootFlags()
		return string(boot.Device), nil
	})
	return boot, err
}

// SetBoot sets the boot flags and gives them as they then are.
func (p *IPMI) SetBoot(ctx context.Context, target ipmi.Target, boot ipmi.Boot) (ipmi.Boot, error) {
	var set ipmi.Boot
	privilege := bmc.Operator
	if boot.Persistent {
		privilege = bmc.Administrator
	}
	err := p.speak(ctx, target, "set_boot", privilege, func(_ call, m *machine) (string, error) {
		m.bmc.boot = boot
		set = boot
		return string(boot.Device), nil
	})
	return set, err
}

// Controller tells what the BMC is.
func (p *IPMI) Controller(ctx context.Context, target ipmi.Target) (controller ipmi.Controller, err error) {
	err = p.speak(ctx, target, "controller", bmc.User, func(_ call, m *machine) (string, error) {
		controller = ipmi.Controller{ID: 32, Revision: 1, Firmware: "1.00", IPMI: "2.0", GUID: m.UUID}
		return controller.Firmware, nil
	})
	return controller, err
}

// Sensors reads the sensors, which follow the machine's power.
func (p *IPMI) Sensors(ctx context.Context, target ipmi.Target) (sensors []ipmi.Sensor, err error) {
	err = p.speak(ctx, target, "sensors", bmc.User, func(_ call, m *machine) (string, error) {
		sensors = p.view.world.sensors(m)
		return fmt.Sprintf("%d sensors", len(sensors)), nil
	})
	return sensors, err
}

// Events reads the event log: what the world's log has of the machine.
func (p *IPMI) Events(ctx context.Context, target ipmi.Target) (events []ipmi.Event, err error) {
	err = p.speak(ctx, target, "events", bmc.User, func(_ call, m *machine) (string, error) {
		events = p.view.world.events(m)
		return fmt.Sprintf("%d events", len(events)), nil
	})
	return events, err
}

// ClearEvents empties the event log. A lost reply is as that of Control.
func (p *IPMI) ClearEvents(ctx context.Context, target ipmi.Target) error {
	err := p.speak(ctx, target, "clear_events", bmc.Operator, func(_ call, m *machine) (string, error) {
		m.bmc.cleared = len(p.view.world.log)
		return "ok", nil
	})
	return onceOnly(err, true)
}

// deviceID is Get Device ID (20.1), the one raw command that the BMCs of a
// world understand.
var deviceID = ipmi.Request{NetFn: 0x06, Command: 0x01}

// Addresses is the address as it is written: the world has no names.
func (p *IPMI) Addresses(_ context.Context, target ipmi.Target) ([]string, error) {
	return []string{bmcAddress(target.Host, target.Port)}, nil
}

// Raw answers Get Device ID; any other command gets the completion code C1h. A
// lost reply is as that of Control, but for a command that only reads.
func (p *IPMI) Raw(ctx context.Context, target ipmi.Target, request ipmi.Request) (ipmi.Reply, error) {
	var reply ipmi.Reply
	level, reads := request.Privilege()
	err := p.speak(ctx, target, "raw", bmc.Privilege(level), func(c call, _ *machine) (string, error) {
		if request.NetFn&1 != 0 {
			return "", c.errorf(primitives.Invalid, "network function %#02x is that of a response", request.NetFn)
		}
		reply = ipmi.Reply{Code: 0xc1, Text: "the command is not known"}
		if request.NetFn == deviceID.NetFn && request.Command == deviceID.Command {
			reply = ipmi.Reply{Text: "ok", Data: []byte{0x20, 0x01, 0x01, 0x00, 0x02, 0x80, 0, 0, 0, 0, 0}}
		}
		return fmt.Sprintf("code %#02x", reply.Code), nil
	})
	return reply, onceOnly(err, !reads)
}
