package bmc

import "time"

// Boot option parameters (28.13, table 28-14).
const (
	bootSetInProgress = 0
	bootClearing      = 3
	bootAcknowledge   = 4
	bootFlags         = 5
)

const (
	flagValid      = 0x80
	flagPersistent = 0x40
	keepWaiting    = 0x08 // of bootClearing: no timeout
	bootPatience   = 60 * time.Second
)

// boot is the BMC's boot options.
type boot struct {
	flags      [5]byte
	set        time.Time // when flags were
	clearing   byte
	progress   byte
	acks       [2]byte
	controlled bool // a chassis control came since

	booted byte // device that the last start took, as in flags[1]
	starts int
}

// start is a boot of the machine: it takes the flags, and what is not to persist
// is spent.
func (o *boot) start(now time.Time) {
	o.expire(now)
	o.booted, o.starts = 0, o.starts+1
	if o.flags[0]&flagValid == 0 {
		return
	}
	o.booted = o.flags[1] >> 2 & 0x0f
	if o.flags[0]&flagPersistent == 0 {
		o.flags = [5]byte{}
	}
}

// expire forgets flags that no chassis control has followed within a minute
// (table 28-14, parameter 3), where that was not switched off.
func (o *boot) expire(now time.Time) {
	kept := o.controlled || o.flags[0]&flagPersistent != 0 || o.clearing&keepWaiting != 0
	if o.flags[0]&flagValid != 0 && !kept && now.Sub(o.set) > bootPatience {
		o.flags[0] &^= flagValid
	}
}

// setBoot is Set System Boot Options (28.12).
func (b *BMC) setBoot(_ *session, data []byte) (byte, []byte) {
	own := &b.own().boot
	number, value := data[0]&0x7f, data[1:]
	room := map[byte]int{bootSetInProgress: 1, bootClearing: 1, bootAcknowledge: 2, bootFlags: 5}[number]
	switch {
	case room == 0:
		return noParameter, nil
	case len(value) == 0:
		return done, nil // only the parameter's lock, which is not kept
	case len(value) < room:
		return tooShort, nil
	}
	switch number {
	case bootSetInProgress:
		own.progress = value[0] & 0x03
	case bootClearing:
		own.clearing = value[0] & 0x1f
	case bootAcknowledge:
		own.acks[1] = own.acks[1]&^value[0] | value[1]&value[0]
	case bootFlags:
		copy(own.flags[:], value)
		own.set, own.controlled = b.now(), false
	}
	return done, nil
}

// getBoot is Get System Boot Options (28.13).
func (b *BMC) getBoot(_ *session, data []byte) (byte, []byte) {
	own := &b.own().boot
	own.expire(b.now())
	number := data[0] & 0x7f
	reply := []byte{0x01, number}
	switch number {
	case bootSetInProgress:
		return done, append(reply, own.progress)
	case bootClearing:
		return done, append(reply, own.clearing)
	case bootAcknowledge:
		return done, append(reply, own.acks[:]...)
	case bootFlags:
		return done, append(reply, own.flags[:]...)
	}
	return noParameter, nil
}

// bootWords are the devices of the flags (table 28-14) by ipmi.Device's words.
var bootWords = map[byte]string{
	0: "none", 1: "pxe", 2: "disk", 3: "safe", 4: "diag", 5: "cdrom", 6: "bios",
}
