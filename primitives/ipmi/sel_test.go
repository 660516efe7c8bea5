package ipmi

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"ctys/primitives"
)

// logBMC keeps an event log as the specification has it (31), with the time
// that an erasure takes.
type logBMC struct {
	*storeBMC
	erased  uint32
	looks   int  // that an erasure lasts
	clears  int  // that were carried out
	adds    int  // so many more times, an event comes just before an erasure
	loses   bool // no reply to an erasure comes back
	drops   bool // no request for one arrives
	refuses byte // completion code for an erasure
}

func newLogBMC(t testing.TB, events ...[]byte) *logBMC {
	b := &logBMC{storeBMC: newStoreBMC(t, eventLog, events...)}
	b.answer = b.log
	return b
}

func (b *logBMC) log(c command) ([]byte, byte) {
	if c.netFn != netFnStorage {
		return nil, 0xc1
	}
	switch c.number {
	case 0x40:
		info := make([]byte, 14)
		binary.LittleEndian.PutUint16(info[1:], uint16(len(b.records)))
		binary.LittleEndian.PutUint32(info[9:], b.erased)
		return info, 0
	case 0x47:
		return b.clear(c)
	}
	return b.store(c)
}

func (b *logBMC) clear(c command) ([]byte, byte) {
	if string(c.data[2:5]) != "CLR" {
		return nil, 0xcc
	}
	reservation, begin := binary.LittleEndian.Uint16(c.data), c.data[5] == beginErasure
	switch {
	case begin && b.drops:
		return nil, lost
	case begin && b.refuses != 0:
		return nil, b.refuses
	case begin && b.adds > 0:
		b.adds--
		b.reservation++
		b.records = append(b.records, event(eventThreshold, 1, 1, 0x59, 1, 1))
	}
	if reservation != b.reservation {
		return nil, codeReservation
	}
	if begin {
		b.clears++
		b.records, b.erased = nil, b.erased+1
		b.reservation++ // an erasure cancels it (31.4.2)
		if b.loses {
			return nil, lost
		}
	} else if b.looks--; b.looks < 0 {
		return []byte{1}, 0
	}
	if b.looks > 0 {
		return []byte{0}, 0
	}
	return []byte{1}, 0
}

// event makes a record of a system event of a sensor of the BMC.
func event(eventType, sensorType, number byte, data ...byte) []byte {
	record := []byte{1, 0, recordEvent, 0, 0xe1, 0xf5, 0x6a, ownerBMC, 0, 4, sensorType, number, eventType}
	return append(record, data...)
}

func someEvents() [][]byte {
	return [][]byte{event(eventThreshold, 1, 1, 0x59, 90, 85), event(eventSpecific, 8, 7, 3, 0xff, 0xff), event(eventSpecific|0x80, 8, 7, 3, 0xff, 0xff)}
}

func TestReadEvents(t *testing.T) {
	for _, most := range []int{255, 16, 8, 5} {
		b := newLogBMC(t, someEvents()...)
		b.most = most
		got, err := readEvents(context.Background(), newFastClock(), b)
		if err != nil || len(got) != 3 {
			t.Fatalf("%d bytes at once: %d events, %v", most, len(got), err)
		}
		for i, event := range got {
			if event.ID != i+1 || event.Asserted != (i < 2) || !slices.Equal(event.Data, b.records[i]) {
				t.Errorf("%+v", event)
			}
		}
		if got[0].Sensor != "temperature 1" || got[1].Text != "input lost" {
			t.Errorf("%+v", got)
		}
	}
	if got, err := readEvents(context.Background(), newFastClock(), newLogBMC(t)); err != nil || len(got) != 0 {
		t.Errorf("an empty log: %v, %v", got, err)
	}
}

// A log that is erased while it is read is not told half.
func TestReadEventsErased(t *testing.T) {
	b := newLogBMC(t, someEvents()...)
	reads := 0
	b.answer = func(c command) ([]byte, byte) {
		if c.number == 0x43 {
			if reads++; reads == 2 {
				b.records, b.erased = b.records[:1], b.erased+1
			}
		}
		return b.log(c)
	}
	got, err := readEvents(context.Background(), newFastClock(), b)
	if err != nil || len(got) != 1 {
		t.Errorf("%d events, %v", len(got), err)
	}
	b = newLogBMC(t, someEvents()...)
	b.answer = func(c command) ([]byte, byte) {
		b.erased++
		return b.log(c)
	}
	_, err = readEvents(context.Background(), newFastClock(), b)
	wantFailure(t, err, primitives.Busy, "erasing")
}

func TestEventLogRefusals(t *testing.T) {
	for code, kind := range map[byte]primitives.Kind{0xc1: primitives.Unsupported, codeErasing: primitives.Busy, codePrivilege: primitives.Denied} {
		bmc := &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return nil, code }}
		_, err := readEvents(context.Background(), newFastClock(), bmc)
		wantFailure(t, err, kind)
		wantFailure(t, clearEvents(context.Background(), newFastClock(), bmc), kind)
	}
	for n := range 13 {
		_, err := parseLogInfo(make([]byte, n))
		wantFailure(t, err, primitives.Internal)
	}
}

// Times are UTC whatever zone the BMC's clock is in (31.11b).
func TestEventTime(t *testing.T) {
	const stamp = 1_790_000_000
	for data, want := range map[string]int64{
		"\x00\x00": stamp, "\x1c\x02": stamp - 540*60, "\x20\xfe": stamp + 480*60, // Tokyo, Pacific
		"\xff\x07": stamp, "\xa1\x05": stamp, "\x00": stamp, "": stamp, // unspecified, beyond a day, cut
	} {
		if got := eventTime(stamp, parseTimeOffset([]byte(data))); got.Unix() != want || got.Location() != time.UTC {
			t.Errorf("offset % x: %s", data, got)
		}
	}
	for _, none := range []uint32{0, 1, lastUptime, noTime} {
		if got := eventTime(none, time.Hour); !got.IsZero() {
			t.Errorf("%#x: %s", none, got)
		}
	}
}

func begun(b *logBMC) (n int) {
	for _, c := range b.asked {
		if c.number == 0x47 && c.data[5] == beginErasure {
			n++
		}
	}
	return n
}

func TestClearEvents(t *testing.T) {
	for _, looks := range []int{0, 1, 5} {
		b := newLogBMC(t, someEvents()...)
		b.looks = looks
		if err := clearEvents(context.Background(), newFastClock(), b); err != nil || b.clears != 1 || begun(b) != 1 || len(b.sentOnce) != 1 {
			t.Errorf("%d looks: %v, cleared %d times", looks, err, b.clears)
		}
	}
	b := newLogBMC(t)
	if err := clearEvents(context.Background(), newFastClock(), b); err != nil || begun(b) != 0 {
		t.Errorf("an empty log: %v, cleared %d times", err, begun(b))
	}
	b = newLogBMC(t, someEvents()...)
	b.looks = 1 << 30
	wantFailure(t, clearEvents(context.Background(), newFastClock(), b), primitives.Timeout, "still erasing")
	if begun(b) != 1 {
		t.Errorf("begun %d times", begun(b))
	}
}

// An event that nobody has seen is not erased: the look is taken again.
func TestClearEventsWhileTheyCome(t *testing.T) {
	b := newLogBMC(t, someEvents()...)
	b.adds = 2
	if err := clearEvents(context.Background(), newFastClock(), b); err != nil || b.clears != 1 {
		t.Errorf("%v, cleared %d times", err, b.clears)
	}
	b = newLogBMC(t, someEvents()...)
	b.adds = 1 << 30
	wantFailure(t, clearEvents(context.Background(), newFastClock(), b), primitives.Busy, "nothing was erased")
	if b.clears != 0 {
		t.Errorf("cleared %d times", b.clears)
	}
}

// The erasure is begun once, whatever is lost: where its reply is, the log
// tells; where the request is, nobody knows yet whether it will still come.
func TestClearEventsOnce(t *testing.T) {
	b := newLogBMC(t, someEvents()...)
	b.loses = true
	if err := clearEvents(context.Background(), newFastClock(), b); err != nil || b.clears != 1 || begun(b) != 1 {
		t.Errorf("the reply is lost: %v, cleared %d times, begun %d", err, b.clears, begun(b))
	}
	b = newLogBMC(t, someEvents()...)
	b.drops = true
	wantFailure(t, clearEvents(context.Background(), newFastClock(), b), primitives.Timeout, "unknown, not repeated", "3 records")
	if b.clears != 0 || begun(b) != 1 {
		t.Errorf("the request is lost: cleared %d times, begun %d", b.clears, begun(b))
	}
	b = newLogBMC(t, someEvents()...)
	b.refuses = codePrivilege
	wantFailure(t, clearEvents(context.Background(), newFastClock(), b), primitives.Denied)
	if begun(b) != 1 {
		t.Errorf("refused: begun %d times", begun(b))
	}
	b = newLogBMC(t, someEvents()...)
	b.refuses = 0xc3 // it ran out of time: it may have erased
	err := clearEvents(context.Background(), newFastClock(), b)
	wantFailure(t, err, primitives.Timeout, "unknown")
	if begun(b) != 1 {
		t.Errorf("out of time: begun %d times", begun(b))
	}
	for _, nonsense := range [][]byte{{}, nil} {
		b = newLogBMC(t, someEvents()...)
		b.answer = func(c command) ([]byte, byte) {
			if c.number == 0x47 {
				return nonsense, 0
			}
			return b.log(c)
		}
		wantFailure(t, clearEvents(context.Background(), newFastClock(), b), primitives.Internal)
		if begun(b) != 1 {
			t.Errorf("nonsense: begun %d times", begun(b))
		}
	}
}

// Every packet of a call is lost once in each direction, on a real BMC: the log
// is erased, or the call says that it may not be.
func TestClearEventsOnALossyLine(t *testing.T) {
	for _, replies := range []bool{false, true} {
		for n := 1; n <= 10; n++ {
			t.Run(fmt.Sprintf("replies=%v/%d", replies, n), func(t *testing.T) {
				t.Parallel()
				sim := startSimulator(t, "127.112.0.20", "sel_add 0x20 2 0 0 0 0 0x20 0 4 1 1 1 0x59 90 85")
				path := startRelay(t, sim.target, func(reply bool, count int, _ []byte) bool { return reply == replies && count == n })
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				err := New(Options{}).ClearEvents(ctx, path.target)
				events, readErr := New(Options{}).Events(within5s(t), sim.target)
				if readErr != nil {
					t.Fatal(readErr)
				}
				if err == nil && len(events) != 0 {
					t.Errorf("done, and %d events are left", len(events))
				}
				if err != nil {
					wantKind(t, err, primitives.Timeout)
				}
				if err != nil && len(events) == 0 {
					wantKind(t, err, primitives.Timeout, "unknown, not repeated")
				}
			})
		}
	}
}

func FuzzEventLog(f *testing.F) {
	f.Add(fromHex(f, "ffff010002e2090000200004010101595a55")[2:], int16(60))
	f.Add(event(eventSpecific, 0x0f, 1, 0xf2, 3, 4), int16(2047))
	f.Add([]byte{1, 0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, int16(0))
	sensors := map[sensorKey]sensorRecord{}
	for _, record := range [][]byte{fullRecord(1, 1, 1, 0, 1, 7, 1, 0, 0, 0, "CPU"), compactRecord(7, 8, eventSpecific, 1, 0, "PSU")} {
		sensor := parseSensorRecord(record)[0]
		sensors[sensor.sensorKey] = sensor
	}
	f.Fuzz(func(t *testing.T, record []byte, minutes int16) {
		offset := parseTimeOffset(binary.LittleEndian.AppendUint16(nil, uint16(minutes)))
		got, err := parseEvent(record, offset, sensors)
		if (err == nil) != (len(record) == eventSize) {
			t.Fatalf("%d bytes: %v", len(record), err)
		}
		if err == nil && (got.Text == "" || got.Type == "" || got.At.IsZero() == false && got.At.Year() < 1986) {
			t.Errorf("% x: %+v", record, got)
		}
		_, _ = parseLogInfo(record)
	})
}
