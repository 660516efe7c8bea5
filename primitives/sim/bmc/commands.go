package bmc

import (
	"context"
)

// Network functions (5.1).
const (
	netFnChassis = 0x00
	netFnSensor  = 0x04
	netFnApp     = 0x06
	netFnStorage = 0x0a
)

// Completion codes (5.2).
const (
	done           = 0x00
	nodeBusy       = 0xc0
	unknownCommand = 0xc1
	noReservation  = 0xc5
	tooShort       = 0xc7
	outOfRange     = 0xc9
	tooMany        = 0xca // bytes asked for
	noRecord       = 0xcb
	badField       = 0xcc
	noPrivilege    = 0xd4
	wrongState     = 0xd5
	noParameter    = 0x80 // of Get and Set System Boot Options
	aboveLimit     = 0x81 // of Set Session Privilege Level
	noSpace        = 0xc4
	unspecified    = 0xff
)

// silence is no completion code of IPMI: the BMC does not answer.
const silence = 0x7f

// command is one that the BMC knows.
type command struct {
	privilege Privilege // that it takes; 0 needs no session (appendix G)
	length    int       // of its data, at least

	// run is called with the BMC's lock held; ask without, because it waits for
	// the chassis. A command has one of them.
	run func(b *BMC, s *session, data []byte) (code byte, reply []byte)
	ask func(b *BMC, ctx context.Context, data []byte) (code byte, reply []byte)
}

type commandKey struct{ netFn, number byte }

var commands = map[commandKey]command{
	{netFnApp, 0x01}: {privilege: User, run: (*BMC).deviceID},
	{netFnApp, 0x37}: {run: (*BMC).systemGUID},
	{netFnApp, 0x38}: {length: 2, run: (*BMC).authCapabilities},
	{netFnApp, 0x54}: {length: 3, run: (*BMC).cipherSuites},
	{netFnApp, 0x3b}: {privilege: User, length: 1, run: (*BMC).setPrivilege},
	{netFnApp, 0x3c}: {privilege: User, length: 4, run: (*BMC).closeSession},
	{netFnApp, 0x3d}: {privilege: User, length: 1, run: (*BMC).sessionInfo},

	{netFnChassis, 0x00}: {privilege: User, run: (*BMC).capabilities},
	{netFnChassis, 0x01}: {privilege: User, ask: (*BMC).status},
	{netFnChassis, 0x02}: {privilege: Operator, length: 1, ask: (*BMC).control},
	{netFnChassis, 0x04}: {privilege: Operator, run: (*BMC).setIdentify},
	{netFnChassis, 0x06}: {privilege: Operator, length: 1, run: (*BMC).setPolicy},
	{netFnChassis, 0x07}: {privilege: User, run: (*BMC).restartCause},
	{netFnChassis, 0x08}: {privilege: Operator, length: 1, run: (*BMC).setBoot},
	{netFnChassis, 0x09}: {privilege: Operator, length: 3, run: (*BMC).getBoot},

	{netFnSensor, 0x27}: {privilege: User, length: 1, run: (*BMC).sensorThresholds},
	{netFnSensor, 0x2d}: {privilege: User, length: 1, run: (*BMC).sensorReading},

	{netFnStorage, 0x20}: {privilege: User, run: (*BMC).sdrInfo},
	{netFnStorage, 0x22}: {privilege: User, run: (*BMC).reserveSDR},
	{netFnStorage, 0x23}: {privilege: User, length: 6, run: (*BMC).getSDR},
	{netFnStorage, 0x40}: {privilege: User, run: (*BMC).selInfo},
	{netFnStorage, 0x42}: {privilege: User, run: (*BMC).reserveSEL},
	{netFnStorage, 0x43}: {privilege: User, length: 6, run: (*BMC).getSEL},
	{netFnStorage, 0x44}: {privilege: Operator, length: selRecord, run: (*BMC).addSEL},
	{netFnStorage, 0x47}: {privilege: Operator, length: 6, run: (*BMC).clearSEL},
	{netFnStorage, 0x48}: {privilege: User, run: (*BMC).getSELTime},
	{netFnStorage, 0x49}: {privilege: Operator, length: 4, run: (*BMC).setSELTime},
}

// carryOut runs one command, with the BMC's lock held. The answer is a message,
// or what gives one without the lock; neither is silence. Outside of a session s
// is nil.
func (b *BMC) carryOut(s *session, m message) ([]byte, later) {
	known, ok := commands[commandKey{m.netFn, m.command}]
	switch {
	case m.netFn&1 != 0:
		return nil, nil // a response is no request
	case !ok && s == nil:
		return m.reply(noPrivilege), nil
	case !ok:
		return m.reply(unknownCommand), nil
	case known.privilege > s.level():
		return m.reply(noPrivilege), nil
	case m.netFn != netFnApp && b.busy():
		return m.reply(nodeBusy), nil
	case len(m.data) < known.length:
		return m.reply(tooShort), nil
	case known.ask != nil:
		return nil, func(ctx context.Context) []byte {
			return m.answer(known.ask(b, ctx, m.data))
		}
	}
	return m.answer(known.run(b, s, m.data)), nil
}

func (m message) answer(code byte, data []byte) []byte {
	if code == silence {
		return nil
	}
	return m.reply(code, data...)
}
