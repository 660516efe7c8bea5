package bmc

import (
	"context"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// Chassis commands (28).

// capabilities is Get Chassis Capabilities (28.1).
func (b *BMC) capabilities(*session, []byte) (byte, []byte) {
	return done, []byte{0, 0x20, 0x20, 0x20, 0x20}
}

// Power restore policies, as Set Power Restore Policy has them (28.8).
const (
	restoreOff      = 0
	restorePrevious = 1
	restoreOn       = 2
	restoreAsIs     = 3 // changes nothing, only asks
)

// ChassisFaults are what Get Chassis Status tells beside the power (28.2): bits
// of its first and third byte.
type ChassisFaults struct{ power, misc byte }

// faultWords are the faults by their words in ipmi.Status.
var faultWords = map[string]ChassisFaults{
	"overload":      {power: 0x02},
	"interlock":     {power: 0x04},
	"power fault":   {power: 0x08},
	"control fault": {power: 0x10},
	"intrusion":     {misc: 0x01},
	"lockout":       {misc: 0x02},
	"drive fault":   {misc: 0x04},
	"fan fault":     {misc: 0x08},
}

// SetFaults lets the chassis have these faults and no others, in the words of
// ipmi.Status. Errors: Invalid for a word that it does not know.
func (b *BMC) SetFaults(words ...string) error {
	var all ChassisFaults
	for _, word := range words {
		fault, ok := faultWords[word]
		if !ok {
			return primitives.Errorf(primitives.Invalid, "bmc.faults", b.Name, "%q is no fault of a chassis", word)
		}
		all.power |= fault.power
		all.misc |= fault.misc
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own().faults = all
	return nil
}

// status is Get Chassis Status (28.2).
func (b *BMC) status(ctx context.Context, _ []byte) (byte, []byte) {
	power, err := b.powerNow(ctx)
	if err != nil {
		return completion(err), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.own()
	state := own.policy<<5 | own.faults.power
	if power == primitives.PowerOn {
		state |= 0x01
	}
	misc := 0x40 | own.identify.shown(b.now())<<4 | own.faults.misc
	return done, []byte{state, own.power.last, misc}
}

func (b *BMC) powerNow(ctx context.Context) (primitives.Power, error) {
	if b.Chassis != nil {
		return b.Chassis.Power(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.on {
		return primitives.PowerOn, nil
	}
	return primitives.PowerOff, nil
}

var controls = map[byte]ipmi.Control{
	0: ipmi.PowerOff, 1: ipmi.PowerOn, 2: ipmi.Cycle, 3: ipmi.Reset, 4: ipmi.Diag, 5: ipmi.PowerSoft,
}

// control is Chassis Control (28.3).
func (b *BMC) control(ctx context.Context, data []byte) (byte, []byte) {
	control, ok := controls[data[0]&0x0f]
	if !ok {
		return outOfRange, nil
	}
	err := b.switchPower(ctx, control)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		return completion(err), nil
	}
	own := b.own()
	if own.counts == nil {
		own.counts = map[ipmi.Control]int{}
	}
	own.counts[control]++
	own.boot.controlled = true
	if own.trouble.mute > 0 {
		own.trouble.mute--
		return silence, nil
	}
	return done, nil
}

func (b *BMC) switchPower(ctx context.Context, control ipmi.Control) error {
	if b.Chassis != nil {
		return b.Chassis.Control(ctx, control)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.on && control != ipmi.PowerOn && control != ipmi.PowerOff {
		return primitives.Errorf(primitives.Unsupported, "bmc.control", b.Name, "the machine is off")
	}
	switch control {
	case ipmi.PowerOff, ipmi.PowerSoft:
		b.record(TurnedOff, ByCommand)
	case ipmi.PowerOn:
		b.record(TurnedOn, ByCommand)
	case ipmi.Cycle:
		b.record(TurnedOff, ByCommand)
		b.record(TurnedOn, ByCommand)
	case ipmi.Reset:
		b.record(Restarted, ByCommand)
	}
	return nil
}

// completion words an error as a BMC would; one that would not answer is
// silent.
func completion(err error) byte {
	switch primitives.KindOf(err) {
	case primitives.Timeout, primitives.Unreachable, primitives.Canceled:
		return silence
	case primitives.Unsupported:
		return wrongState
	case primitives.Denied:
		return noPrivilege
	}
	return unspecified
}

// identify is the lamp.
type identify struct {
	forever bool
	until   time.Time
}

const defaultIdentify = 15 * time.Second

// shown is the lamp's state as Get Chassis Status has it.
func (i identify) shown(now time.Time) byte {
	switch {
	case i.forever:
		return 2
	case now.Before(i.until):
		return 1
	}
	return 0
}

// setIdentify is Chassis Identify (28.5): an interval of zero turns it off.
func (b *BMC) setIdentify(_ *session, data []byte) (byte, []byte) {
	for_ := defaultIdentify
	if len(data) > 0 {
		for_ = time.Duration(data[0]) * time.Second
	}
	b.own().identify = identify{forever: len(data) > 1 && data[1]&1 != 0, until: b.now().Add(for_)}
	return done, nil
}

// setPolicy is Set Power Restore Policy (28.8). It answers with what it can: all
// three.
func (b *BMC) setPolicy(_ *session, data []byte) (byte, []byte) {
	if policy := data[0] & 0x07; policy < restoreAsIs {
		b.own().policy = policy
	} else if policy > restoreAsIs {
		return badField, nil
	}
	return done, []byte{1<<restoreOff | 1<<restorePrevious | 1<<restoreOn}
}

// restartCause is Get System Restart Cause (28.11).
func (b *BMC) restartCause(*session, []byte) (byte, []byte) {
	return done, []byte{b.own().power.restart, channel}
}
