package lab

import (
	"context"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// Network functions (5.1).
const (
	netFnChassis = 0x00
	netFnApp     = 0x06
)

// Completion codes (5.2).
const (
	done           = 0x00
	unknownCommand = 0xc1
	outOfRange     = 0xc9
	tooShort       = 0xc7
	noPrivilege    = 0xd4
	wrongState     = 0xd5
	noParameter    = 0x80 // of Get and Set System Boot Options
	aboveLimit     = 0x81 // of Set Session Privilege Level
	unspecified    = 0xff
)

// command is one that the BMC knows.
type command struct {
	privilege byte // that it takes; 0 needs no session (appendix G)
	length    int  // of its data, at least
	run       func(b *bmc, ctx context.Context, s *session, data []byte) (code byte, reply []byte)
}

type commandKey struct{ netFn, number byte }

var commands = map[commandKey]command{
	{netFnApp, 0x01}:     {userLevel, 0, (*bmc).deviceID},
	{netFnApp, 0x37}:     {0, 0, (*bmc).systemGUID},
	{netFnApp, 0x38}:     {0, 2, (*bmc).authCapabilities},
	{netFnApp, 0x54}:     {0, 3, (*bmc).cipherSuites},
	{netFnApp, 0x3b}:     {userLevel, 1, (*bmc).setPrivilege},
	{netFnApp, 0x3c}:     {userLevel, 4, (*bmc).closeSession},
	{netFnChassis, 0x00}: {userLevel, 0, (*bmc).capabilities},
	{netFnChassis, 0x01}: {userLevel, 0, (*bmc).status},
	{netFnChassis, 0x02}: {operatorLevel, 1, (*bmc).control},
	{netFnChassis, 0x04}: {operatorLevel, 0, (*bmc).setIdentify},
	{netFnChassis, 0x08}: {operatorLevel, 1, (*bmc).setBoot},
	{netFnChassis, 0x09}: {operatorLevel, 3, (*bmc).getBoot},
}

// carryOut runs one command. nil is silence. Outside of a session s is nil.
func (b *bmc) carryOut(ctx context.Context, s *session, m message) []byte {
	known, ok := commands[commandKey{m.netFn, m.command}]
	switch {
	case m.netFn&1 != 0:
		return nil // a response is no request
	case !ok:
		if s == nil {
			return m.reply(noPrivilege)
		}
		return m.reply(unknownCommand)
	case known.privilege > b.privilegeOf(s):
		return m.reply(noPrivilege)
	case len(m.data) < known.length:
		return m.reply(tooShort)
	}
	code, data := known.run(b, ctx, s, m.data)
	if code == silence {
		return nil
	}
	return m.reply(code, data...)
}

// silence is no completion code of IPMI: the BMC does not answer.
const silence = 0x7f

func (b *bmc) privilegeOf(s *session) byte {
	if s == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.privilege
}

// deviceID is Get Device ID (20.1).
func (b *bmc) deviceID(context.Context, *session, []byte) (byte, []byte) {
	return done, []byte{
		0x20, 0x01, // device id and revision
		0x01, 0x00, // firmware 1.0
		0x02, // IPMI 2.0
		0x80, // a chassis device
		0, 0, 0, 0, 0,
	}
}

// systemGUID is Get System GUID (22.14).
func (b *bmc) systemGUID(context.Context, *session, []byte) (byte, []byte) {
	return done, b.guid[:]
}

// channel is the LAN channel that all of this stands for.
const channel = 1

// authCapabilities is Get Channel Authentication Capabilities (22.13): no
// authentication type of IPMI 1.5, only 2.0 with named users.
func (b *bmc) authCapabilities(_ context.Context, _ *session, data []byte) (byte, []byte) {
	types := byte(0)
	if data[0]&0x80 != 0 {
		types = 0x80 // extended data follow
	}
	return done, []byte{channel, types, 0x04, 0x02, 0, 0, 0, 0}
}

// cipherSuites is Get Channel Cipher Suites (22.15): 16 bytes of the list at a
// time.
func (b *bmc) cipherSuites(_ context.Context, _ *session, data []byte) (byte, []byte) {
	list := records()
	from := min(int(data[2]&0x3f)*16, len(list))
	return done, append([]byte{channel}, list[from:min(from+16, len(list))]...)
}

// setPrivilege is Set Session Privilege Level (22.18).
func (b *bmc) setPrivilege(_ context.Context, s *session, data []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch wanted := data[0] & 0x0f; {
	case wanted == 0:
	case wanted == 1 || wanted > administratorLevel:
		return outOfRange, nil
	case wanted > s.limit():
		return aboveLimit, nil
	default:
		s.privilege = wanted
	}
	return done, []byte{s.privilege}
}

// closeSession is Close Session (22.19). It ends the session that it came by.
func (b *bmc) closeSession(_ context.Context, s *session, _ []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, s.managed)
	return done, nil
}

// capabilities is Get Chassis Capabilities (28.1).
func (b *bmc) capabilities(context.Context, *session, []byte) (byte, []byte) {
	return done, []byte{0, 0x20, 0x20, 0x20, 0x20}
}

// status is Get Chassis Status (28.2).
func (b *bmc) status(ctx context.Context, _ *session, _ []byte) (byte, []byte) {
	power, err := b.chassis.Power(ctx)
	if err != nil {
		return completion(err), nil
	}
	state := byte(0x60) // what it does after a mains failure is not known
	if power == primitives.PowerOn {
		state |= 0x01
	}
	misc := byte(0x40) // Identify is supported and off
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.identify {
		misc |= 0x10
	}
	return done, []byte{state, 0, misc}
}

var controls = map[byte]ipmi.Control{
	0: ipmi.PowerOff, 1: ipmi.PowerOn, 2: ipmi.Cycle, 3: ipmi.Reset, 5: ipmi.PowerSoft,
}

// control is Chassis Control (28.3).
func (b *bmc) control(ctx context.Context, _ *session, data []byte) (byte, []byte) {
	control, ok := controls[data[0]&0x0f]
	if !ok {
		return outOfRange, nil
	}
	if err := b.chassis.Control(ctx, control); err != nil {
		return completion(err), nil
	}
	return done, nil
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

// setIdentify is Chassis Identify (28.5): an interval of zero turns it off.
func (b *bmc) setIdentify(_ context.Context, _ *session, data []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.identify = len(data) == 0 || data[0] != 0 || len(data) > 1 && data[1]&1 != 0
	return done, nil
}

// bootFlags is the one boot option parameter that is kept (28.13).
const bootFlags = 5

// setBoot is Set System Boot Options (28.12). Other parameters are accepted
// and forgotten.
func (b *bmc) setBoot(_ context.Context, _ *session, data []byte) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data[0]&0x7f == bootFlags {
		if len(data) < 6 {
			return tooShort, nil
		}
		copy(b.bootDev[:], data[1:6])
	}
	return done, nil
}

// getBoot is Get System Boot Options (28.13).
func (b *bmc) getBoot(_ context.Context, _ *session, data []byte) (byte, []byte) {
	if data[0]&0x7f != bootFlags {
		return noParameter, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return done, append([]byte{0x01, bootFlags}, b.bootDev[:]...)
}
