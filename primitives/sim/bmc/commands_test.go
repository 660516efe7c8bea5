package bmc

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"ctys/primitives"
)

// shifted is the system's clock, set ahead.
type shifted struct {
	primitives.SystemClock
	ahead time.Duration
}

func (s *shifted) Now() time.Time { return s.SystemClock.Now().Add(s.ahead) }

// bench is an administrator's session with one BMC, without the wire.
type bench struct {
	*testing.T
	*BMC
	clock   *shifted
	session *session
}

func newBench(t *testing.T) bench {
	clock := &shifted{}
	b := newBMC(Description{Name: "own", Model: &Model{Clock: clock}}, 0)
	s := b.newSession(7, Administrator, suites[0])
	s.allowed, s.open, s.privilege = Administrator, true, Administrator
	return bench{t, b, clock, s}
}

// ask gives the completion code and what follows it.
func (b bench) ask(netFn, number byte, data ...byte) (byte, []byte) {
	b.Helper()
	reply, rest := b.carryOut(b.session, message{netFn: netFn, command: number, data: data})
	if rest != nil {
		reply = rest(b.Context())
	}
	answer, ok := parseMessage(reply, len(reply))
	if !ok {
		b.Fatalf("% x is no answer", reply)
	}
	return answer.data[0], answer.data[1:]
}

func (b bench) code(want, netFn, number byte, data ...byte) []byte {
	b.Helper()
	code, rest := b.ask(netFn, number, data...)
	if code != want {
		b.Errorf("%#x/%#x % x: code %#x, want %#x", netFn, number, data, code, want)
	}
	return rest
}

func TestRecordsAreReadInParts(t *testing.T) {
	b := newBench(t)
	reservation := b.code(done, netFnStorage, 0x22)
	b.code(noReservation, netFnStorage, 0x23, 0, 0, 2, 0, 5, 8)
	b.code(noRecord, netFnStorage, 0x23, 0, 0, 99, 0, 0, 8)
	b.code(tooMany, netFnStorage, 0x23, 0, 0, 2, 0, 0, 0xff)
	b.code(outOfRange, netFnStorage, 0x23, reservation[0], reservation[1], 2, 0, 200, 8)
	seen := 0
	for id := uint16(0); id != lastRecord; {
		head := b.code(done, netFnStorage, 0x23, 0, 0, byte(id), byte(id>>8), 0, 5)
		length := int(head[6])
		record := head[2:]
		for len(record) < 5+length {
			part := b.code(done, netFnStorage, 0x23, reservation[0], reservation[1], byte(id), byte(id>>8), byte(len(record)), byte(min(16, 5+length-len(record))))
			record = append(record, part[2:]...)
		}
		if !bytes.Equal(record, repository()[max(1, id)-1]) {
			t.Errorf("record %d is % x", id, record)
		}
		seen++
		id = binary.LittleEndian.Uint16(head)
	}
	if seen != len(repository()) {
		t.Errorf("%d of %d records", seen, len(repository()))
	}
	b.code(done, netFnStorage, 0x22) // a second reservation ends the first
	b.code(noReservation, netFnStorage, 0x23, reservation[0], reservation[1], 2, 0, 5, 8)
}

func TestEventLogIsCleared(t *testing.T) {
	b := newBench(t)
	b.code(noRecord, netFnStorage, 0x43, 0, 0, 0, 0, 0, 0xff)
	b.code(done, netFnChassis, 0x02, 1)
	info := b.code(done, netFnStorage, 0x40)
	if n := binary.LittleEndian.Uint16(info[1:]); n != 2 {
		t.Errorf("%d records", n)
	}
	b.code(noReservation, netFnStorage, 0x47, append([]byte{0, 0}, "CLR\xaa"...)...)
	r := b.code(done, netFnStorage, 0x42)
	b.code(badField, netFnStorage, 0x47, append([]byte{r[0], r[1]}, "clr\xaa"...)...)
	if progress := b.code(done, netFnStorage, 0x47, append([]byte{r[0], r[1]}, "CLR\xaa"...)...); progress[0]&0x0f != 0 {
		t.Errorf("erasure is done at once: % x", progress)
	}
	if progress := b.code(done, netFnStorage, 0x47, append([]byte{r[0], r[1]}, "CLR\x00"...)...); progress[0]&0x0f != 1 {
		t.Errorf("erasure is never done: % x", progress)
	}
	entry := b.code(done, netFnStorage, 0x43, 0, 0, 0, 0, 0, 0xff)
	if binary.LittleEndian.Uint16(entry) != lastRecord || entry[2+10] != kindEventLog {
		t.Errorf("what is left is % x", entry)
	}
	for range selRoom {
		_, _ = b.ask(netFnStorage, 0x44, bytes.Repeat([]byte{2}, selRecord)...)
	}
	b.code(noSpace, netFnStorage, 0x44, bytes.Repeat([]byte{2}, selRecord)...)
	if info := b.code(done, netFnStorage, 0x40); info[13]&0x80 == 0 {
		t.Errorf("a full log does not say so: % x", info)
	}
	b.code(done, netFnStorage, 0x49, 0x00, 0x00, 0x00, 0x70)
	if now := binary.LittleEndian.Uint32(b.code(done, netFnStorage, 0x48)); now>>8 != 0x700000 {
		t.Errorf("the clock was set, and says %#x", now)
	}
}

func TestBootFlagsExpire(t *testing.T) {
	b := newBench(t)
	valid := func() bool { return b.code(done, netFnChassis, 0x09, bootFlags, 0, 0)[2]&flagValid != 0 }
	set := func(first byte) { b.code(done, netFnChassis, 0x08, bootFlags, first, 1<<2, 0, 0, 0) }
	set(flagValid)
	if b.clock.ahead = 59 * time.Second; !valid() {
		t.Error("gone within the minute")
	}
	if b.clock.ahead += 10 * time.Second; valid() {
		t.Error("they outlived a minute without a chassis control")
	}
	for _, first := range []byte{flagValid | flagPersistent, flagValid} {
		if first == flagValid {
			b.code(done, netFnChassis, 0x08, bootClearing, keepWaiting)
		}
		set(first)
		if b.clock.ahead += time.Hour; !valid() {
			t.Errorf("flags %#x are gone", first)
		}
	}
	b.code(noParameter, netFnChassis, 0x09, 0x60, 0, 0)
	b.code(tooShort, netFnChassis, 0x08, bootFlags, flagValid, 4)
}

func TestIdentifyEnds(t *testing.T) {
	b := newBench(t)
	lamp := func() byte { return b.code(done, netFnChassis, 0x01)[2] >> 4 & 3 }
	b.code(done, netFnChassis, 0x04) // 15 s where nothing is said
	if lamp() != 1 {
		t.Error("it is not on")
	}
	if b.clock.ahead += 16 * time.Second; lamp() != 0 {
		t.Error("it is on for ever")
	}
	b.code(done, netFnChassis, 0x04, 0, 1)
	if b.clock.ahead += time.Hour; lamp() != 2 {
		t.Error("it went out")
	}
	b.code(done, netFnChassis, 0x04, 0)
	if lamp() != 0 {
		t.Error("it cannot be switched off")
	}
}

func TestSessionsAreTold(t *testing.T) {
	b := newBench(t)
	info := b.code(done, netFnApp, 0x3d, 0)
	if !bytes.Equal(info, []byte{b.session.handle, DefaultSlots, 1, 0, byte(Administrator), 0x11}) {
		t.Errorf("% x", info)
	}
	if info := b.code(done, netFnApp, 0x3d, 2); len(info) != 3 || info[0] != 0 {
		t.Errorf("a session that there is not: % x", info)
	}
	b.code(badSession, netFnApp, 0x3c, 1, 2, 3, 4)
	b.code(done, netFnApp, 0x3c, binary.LittleEndian.AppendUint32(nil, b.session.managed)...)
	if b.Counts().Open != 0 {
		t.Errorf("%s", b.BMC)
	}
}

// A fault reaches the commands that it is meant for, and as many as it says.
func TestBusyIsForSoMany(t *testing.T) {
	b := newBench(t)
	b.Busy(2)
	b.code(done, netFnApp, 0x01)
	b.code(nodeBusy, netFnChassis, 0x02, 2)
	b.code(nodeBusy, netFnChassis, 0x01)
	b.code(wrongState, netFnChassis, 0x02, 2)
	b.code(unknownCommand, 0x2c, 0x02)
	if counts := b.Counts(); counts.On || len(counts.Controls) != 0 {
		t.Errorf("%s", b.BMC)
	}
}
