package ipmi

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"ctys/primitives"
)

// storeBMC keeps a repository as the specification has it (33.11, 33.12).
type storeBMC struct {
	*scriptedBMC
	in      repository
	records [][]byte // the number of each is its place, from 1
	most    int      // bytes that it returns at once
	refusal byte     // what it says to more
	short   bool     // it returns fewer instead of refusing

	reservation uint16
	steals      int // so many more times, somebody else reserves between two parts
	unreserved  bool
}

func newStoreBMC(t testing.TB, in repository, records ...[]byte) *storeBMC {
	b := &storeBMC{scriptedBMC: &scriptedBMC{t: t}, in: in, records: records, most: 255, refusal: codeTooMuch}
	for i, record := range records {
		binary.LittleEndian.PutUint16(record, uint16(i+1))
	}
	b.answer = b.store
	return b
}

func (b *storeBMC) store(c command) ([]byte, byte) {
	switch {
	case c.netFn == b.in.netFn && c.number == b.in.reserve:
		if b.unreserved {
			return nil, 0xc1
		}
		b.reservation++
		return binary.LittleEndian.AppendUint16(nil, b.reservation), 0
	case c.netFn == b.in.netFn && c.number == b.in.get:
		return b.get(binary.LittleEndian.Uint16(c.data), binary.LittleEndian.Uint16(c.data[2:]), int(c.data[4]), int(c.data[5]))
	}
	return nil, 0xc1
}

func (b *storeBMC) get(reservation, id uint16, offset, count int) ([]byte, byte) {
	id = max(id, 1)
	if int(id) > len(b.records) {
		return nil, codeNoRecord
	}
	if offset > 0 {
		if b.steals > 0 {
			b.steals--
			b.reservation++
		}
		if !b.unreserved && reservation != b.reservation {
			return nil, codeReservation
		}
	}
	record := b.records[id-1]
	if count == wholeRecord {
		count = len(record) - offset
	}
	if offset+count > len(record) {
		return nil, 0xc9
	}
	if count > b.most {
		if !b.short {
			return nil, b.refusal
		}
		count = b.most
	}
	next := id + 1
	if int(next) > len(b.records) {
		next = noRecord
	}
	return append(binary.LittleEndian.AppendUint16(nil, next), record[offset:offset+count]...), 0
}

func someRecords() [][]byte {
	return [][]byte{
		fullRecord(1, 1, eventThreshold, 0, 1, 0, 1, 0, 0, 0, "a sensor, full 1"),
		compactRecord(2, 8, eventSpecific, 1, 0, "PSU"),
		{0, 0, 0x51, 0xc0, 0},
		fullRecord(3, 1, eventThreshold, 0, 1, 0, 1, 0, 0, 0, "b"),
	}
}

func readAll(b asker, in repository) ([][]byte, error) {
	var got [][]byte
	err := newRecords(b, newFastClock(), in).each(context.Background(), func(record []byte) { got = append(got, record) })
	return got, err
}

// Whatever a BMC can return at once, and whatever it says to more, all records
// come whole.
func TestRecordsInParts(t *testing.T) {
	for _, in := range []repository{sensorRepository, deviceRepository} {
		for _, most := range []int{255, 64, 63, 32, 22, 16, 8, 5, 3, 1} {
			for _, refusal := range []byte{codeTooMuch, codeUnspecified, 0xc8, 0} {
				b := newStoreBMC(t, in, someRecords()...)
				b.most, b.refusal, b.short = most, refusal, refusal == 0
				got, err := readAll(b, in)
				if err != nil || !slices.EqualFunc(got, b.records, bytes.Equal) {
					t.Errorf("%s, %d bytes at once, %#02x to more: %v\n% x\n% x", in.name, most, refusal, err, got, b.records)
				}
			}
		}
	}
}

// A BMC that gives records whole is asked once for each, and for no reservation.
func TestRecordsWhole(t *testing.T) {
	b := newStoreBMC(t, sensorRepository, someRecords()...)
	if _, err := readAll(b, b.in); err != nil || len(b.asked) != len(b.records) {
		t.Errorf("%d commands for %d records, %v", len(b.asked), len(b.records), err)
	}
}

// A BMC may dislike the request for a whole record in other words (33.12).
func TestRecordsWholeRefused(t *testing.T) {
	for _, code := range []byte{0xc7, 0xc8, 0xc9, codeTooMuch, 0xcc, codeReservation, codeUnspecified} {
		b := newStoreBMC(t, sensorRepository, someRecords()...)
		b.answer = func(c command) ([]byte, byte) {
			if c.number == b.in.get && c.data[5] == wholeRecord {
				return nil, code
			}
			return b.store(c)
		}
		got, err := readAll(b, b.in)
		if err != nil || !slices.EqualFunc(got, b.records, bytes.Equal) {
			t.Errorf("%#02x: %v", code, err)
		}
	}
}

// A BMC that is silent where it cannot is asked for less.
func TestRecordsWholeSilent(t *testing.T) {
	b, silences := newStoreBMC(t, sensorRepository, someRecords()...), 0
	b.answer = func(c command) ([]byte, byte) {
		if c.number == b.in.get && c.data[5] == wholeRecord {
			silences++
			return nil, lost
		}
		return b.store(c)
	}
	got, err := readAll(b, b.in)
	if err != nil || !slices.EqualFunc(got, b.records, bytes.Equal) || silences != 1 {
		t.Errorf("%v, %d silences", err, silences)
	}
	b = newStoreBMC(t, sensorRepository, someRecords()...) // one that falls silent is not
	gets := 0
	b.answer = func(c command) ([]byte, byte) {
		if gets++; gets == 3 {
			return nil, lost
		}
		return b.store(c)
	}
	_, err = readAll(b, b.in)
	wantFailure(t, err, primitives.Timeout)
	if gets != 3 {
		t.Errorf("%d commands", gets)
	}
}

// The size that a BMC can return is found once and not for each record.
func TestRecordsRemembersSize(t *testing.T) {
	b := newStoreBMC(t, sensorRepository, slices.Repeat(someRecords()[:1], 50)...)
	b.most = 16
	refused := 0
	b.answer = func(c command) ([]byte, byte) {
		data, code := b.store(c)
		if code != 0 {
			refused++
		}
		return data, code
	}
	if _, err := readAll(b, b.in); err != nil || refused > 2 {
		t.Errorf("%d refusals, %v", refused, err)
	}
}

// Somebody else's reservation costs time and no record.
func TestRecordsReservationLost(t *testing.T) {
	for _, steals := range []int{1, 5, 15} {
		b := newStoreBMC(t, sensorRepository, someRecords()...)
		b.most, b.steals = 16, steals
		got, err := readAll(b, b.in)
		if err != nil || !slices.EqualFunc(got, b.records, bytes.Equal) {
			t.Errorf("%d: %v", steals, err)
		}
	}
	b := newStoreBMC(t, sensorRepository, someRecords()...)
	b.most, b.steals = 16, 1<<30
	_, err := readAll(b, b.in)
	wantFailure(t, err, primitives.Busy, "reserving")

	b = newStoreBMC(t, sensorRepository, someRecords()...) // a BMC that reserves nothing
	b.most, b.unreserved = 16, true
	if got, err := readAll(b, b.in); err != nil || len(got) != len(b.records) {
		t.Errorf("without reservations: %d records, %v", len(got), err)
	}

	changed := 3 // of the device's own repository: the record was changed
	b = newStoreBMC(t, deviceRepository, someRecords()...)
	b.most = 16
	b.answer = func(c command) ([]byte, byte) {
		if c.number == b.in.get && c.data[4] > 0 && changed > 0 {
			changed--
			return nil, 0x80
		}
		return b.store(c)
	}
	if got, err := readAll(b, b.in); err != nil || !slices.EqualFunc(got, b.records, bytes.Equal) {
		t.Errorf("changed records: %v", err)
	}
}

// What no BMC should say ends in an error, and ends.
func TestRecordsNonsense(t *testing.T) {
	cases := []struct {
		name string
		kind primitives.Kind
		say  func(c command) ([]byte, byte)
	}{
		{"a circle", primitives.Internal, func(c command) ([]byte, byte) { return []byte{7, 0, 1, 0, 0x51, 0xc0, 0}, 0 }},
		{"nothing", primitives.Internal, func(c command) ([]byte, byte) { return nil, 0 }},
		{"a byte", primitives.Internal, func(c command) ([]byte, byte) { return []byte{1}, 0 }},
		{"no data", primitives.Internal, func(c command) ([]byte, byte) { return []byte{1, 0}, 0 }},
		{"always too much", primitives.Internal, func(c command) ([]byte, byte) { return nil, codeTooMuch }},
		{"denied", primitives.Denied, func(c command) ([]byte, byte) { return nil, codePrivilege }},
		{"never a reservation", primitives.Busy, func(c command) ([]byte, byte) {
			if c.number == 0x22 {
				return []byte{1, 0}, 0
			}
			return nil, codeReservation
		}},
		{"half a reservation", primitives.Internal, func(c command) ([]byte, byte) {
			if c.number == 0x22 {
				return []byte{1}, 0
			}
			return nil, codeTooMuch
		}},
		{"no reply", primitives.Timeout, func(c command) ([]byte, byte) { return nil, lost }},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(&scriptedBMC{t: t, answer: test.say}, sensorRepository)
			wantFailure(t, err, test.kind)
		})
	}
}

// The whole of what is read in records, from a BMC that answers anything.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{14, 0, 0x51, 1, 0, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 2, 5, 0, 0xff, 0xff, 1, 0, 0x51, 0xc0, 0})
	f.Add([]byte{0, 0xca, 2, 0, 1, 0, 7, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, script []byte) {
		ctx := context.Background()
		// A length, a completion code and the data for each command.
		bmc := func() *scriptedBMC {
			rest := script
			return &scriptedBMC{t: t, answer: func(command) ([]byte, byte) {
				if len(rest) < 2 {
					return nil, lost
				}
				code, data := rest[1], rest[2:2+min(int(rest[0]), len(rest)-2)]
				rest = rest[2+len(data):]
				return data, code
			}}
		}
		_, _ = readSensors(ctx, newFastClock(), bmc())
		_, _ = readEvents(ctx, newFastClock(), bmc())
		_, _ = readController(ctx, bmc())
		_, _ = writeBoot(ctx, newFastClock(), bmc(), Boot{Device: BootPXE})
		erasing := bmc()
		_ = clearEvents(ctx, newFastClock(), erasing)
		begun := 0
		for _, c := range erasing.asked {
			if c.number == 0x47 && c.data[5] == beginErasure {
				begun++
			}
		}
		if begun != len(erasing.sentOnce) {
			t.Errorf("an erasure was begun %d times, %d of them once only", begun, len(erasing.sentOnce))
		}
	})
}
