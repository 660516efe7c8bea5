package ipmi

import (
	"context"

	"ctys/primitives"
)

// chassisStatus is Get Chassis Status (28.2).
var chassisStatus = command{netFn: netFnChassis, number: 0x01}

const netFnChassis = 0x00

// readChassis asks for the status of the chassis; its time is left to the caller.
func readChassis(ctx context.Context, a asker) (Status, error) {
	data, err := a.ask(ctx, chassisStatus)
	if err != nil {
		return Status{}, err
	}
	return parseStatus(data)
}

// parseStatus reads what follows the completion code of Get Chassis Status
// (28.2, table 28-3): the power, what happened to it last, and the rest of the
// chassis. A fourth byte, about the buttons of the front panel, is optional and
// left alone.
func parseStatus(data []byte) (Status, error) {
	if len(data) < 3 {
		return Status{}, unreadable("Get Chassis Status", data)
	}
	current, last, misc := data[0], data[1], data[2]
	status := Status{
		Power:     primitives.PowerOff,
		Restore:   restorePolicies[current>>5&3],
		LastEvent: flagged(last, lastEvents),
		Faults:    append(flagged(current, powerFaults), flagged(misc, chassisFaults)...),
	}
	if current&1 != 0 {
		status.Power = primitives.PowerOn
	}
	if misc&0x40 != 0 {
		status.Identify = identifyStates[misc>>4&3]
	}
	return status, nil
}

var restorePolicies = [4]string{"off", "previous", "on", ""}

var identifyStates = [4]string{"off", "timed", "on", ""}

// flag is the meaning of one bit.
type flag struct {
	bit   byte
	words string
}

var powerFaults = []flag{{1, "overload"}, {2, "interlock"}, {3, "power fault"}, {4, "control fault"}}

var chassisFaults = []flag{{0, "intrusion"}, {1, "lockout"}, {2, "drive fault"}, {3, "fan fault"}}

var lastEvents = []flag{{0, "mains failed"}, {1, "overload"}, {2, "interlock"}, {3, "fault"}, {4, "switched on by IPMI"}}

// flagged names the bits that are set.
func flagged(b byte, flags []flag) []string {
	var names []string
	for _, f := range flags {
		if b>>f.bit&1 != 0 {
			names = append(names, f.words)
		}
	}
	return names
}
