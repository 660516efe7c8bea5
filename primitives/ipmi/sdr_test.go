package ipmi

import (
	"context"
	"slices"
	"strings"
	"testing"
	"unicode"

	"ctys/primitives"
)

func TestParseFull(t *testing.T) {
	record := fullRecord(4, 0x01, eventThreshold, formatTwos<<6, 1, 0, 1, 0, 0, 0, "Inlet")
	record[6] = 0x12 // channel 1, LUN 2
	sensors := parseSensorRecord(record)
	want := sensorRecord{sensorKey: sensorKey{owner: 0x20, lun: 2, number: 4}, name: "Inlet", kind: 1, event: 1,
		unit: "degrees C", analogue: true, format: formatTwos, factors: factors{m: 1}}
	if len(sensors) != 1 || sensors[0] != want {
		t.Errorf("%+v, want %+v", sensors, want)
	}
	for name, test := range map[string]struct {
		record   []byte
		analogue bool
	}{
		"threshold without a unit":         {fullRecord(1, 2, eventThreshold, 0, 0, 0, 1, 0, 0, 0, "x"), true},
		"no reading":                       {fullRecord(1, 2, eventThreshold, 0xc0, 4, 0, 1, 0, 0, 0, "x"), false},
		"discrete, format written as 0":    {fullRecord(1, 8, eventSpecific, 0, 0, 0, 1, 0, 0, 0, "x"), false},
		"discrete that gives watts beside": {fullRecord(1, 8, eventSpecific, 0, 6, 0, 1, 0, 0, 0, "x"), true},
		"discrete that gives percent":      {fullRecord(1, 8, eventSpecific, 1, 0, 0, 1, 0, 0, 0, "x"), true},
	} {
		if got := parseSensorRecord(test.record); len(got) != 1 || got[0].analogue != test.analogue {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Sensors that share a record have numbers and names of their own (43.2).
func TestSharedRecords(t *testing.T) {
	names := func(sensors []sensorRecord) string {
		var all []string
		for i, s := range sensors {
			if s.number != sensors[0].number+byte(i) {
				t.Errorf("sensor %d has the number %d", i, s.number)
			}
			all = append(all, s.name)
		}
		return strings.Join(all, ",")
	}
	for want, record := range map[string][]byte{
		"Temp5,Temp6,Temp7":    compactRecord(10, 1, 3, 0x03, 5, "Temp"),
		"TempAA,TempAB,TempAC": compactRecord(10, 1, 3, 0x13, 26, "Temp"), // the example of 43.3
		"TempY,TempZ,TempAA":   compactRecord(10, 1, 3, 0x13, 24, "Temp"),
		"One":                  compactRecord(10, 1, 3, 0x01, 5, "One"),
		"None":                 compactRecord(10, 1, 3, 0x00, 5, "None"),
		"Last0":                compactRecord(0xfe, 1, 3, 0x03, 0, "Last"), // FFh is no number
	} {
		if got := names(parseSensorRecord(record)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	event := eventOnlyRecord(30, 0x12, eventSpecific, "Log")
	event[12] = 2
	if got := parseSensorRecord(event); names(got) != "Log0,Log1" || !got[0].silent {
		t.Errorf("%+v", got)
	}
}

func TestIDString(t *testing.T) {
	for text, want := range map[string]string{
		"\xc8CPU Temp": "CPU Temp", "\xc0": "", "": "", "\xc4Fan \x00\x00": "Fan", "\xc6Fan\x00xy": "Fan",
		"\xc9cut": "cut", "\xc3\xb5A\xe9": "µAé", "\xc3\xc3\xa9x": "éx", "\xc4a\x1b[m": "a?[m", "\xc3a\nb": "a?b",
		"\x84\x29\xdc\xa6": "IPMI", "\x83\x29\xdc\xa6": "IPM", // figure 43-1
		"\x9f\x29\xdc\xa6": "IPMI", "\x44\x12\xb3": "12-3", "\x43\x0c\x5a": "0.5", "\x5f\x12": "12",
		"\x02ab": "ab", "\x1fab": "ab", "\xe2ab": "ab", // the reserved bit
	} {
		if got := idString([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A record that cannot be read is told with its number, and the others with it.
func TestMalformedRecords(t *testing.T) {
	full, compact := fullRecord(1, 1, 1, 0, 1, 0, 1, 0, 0, 0, "name"), compactRecord(2, 8, eventSpecific, 1, 0, "name")
	event := eventOnlyRecord(3, 8, eventSpecific, "name")
	var malformed [][]byte
	for _, n := range []int{0, 1, 2, 3, 4} {
		malformed = append(malformed, full[:n])
	}
	for _, n := range []int{5, 6, 8, 13, 20, 24, 30, 46, 47} {
		malformed = append(malformed, full[:n])
	}
	for _, n := range []int{5, 7, 14, 25, 31} {
		malformed = append(malformed, compact[:n])
	}
	for _, n := range []int{5, 9, 16} {
		malformed = append(malformed, event[:n])
	}
	if len(malformed) < 20 {
		t.Fatal("too few")
	}
	for _, record := range malformed {
		got := parseSensorRecord(record)
		if len(got) != 1 || !got[0].broken || !strings.HasPrefix(got[0].name, "record 0x") {
			t.Errorf("% x: %+v", record, got)
		}
	}
	for _, other := range []byte{0x08, 0x09, 0x10, 0x11, 0x12, 0x13, 0x14, 0xc0, 0xff} {
		if got := parseSensorRecord([]byte{1, 0, 0x51, other, 1, 2}); len(got) != 0 {
			t.Errorf("a record of type %#02x is a sensor: %+v", other, got)
		}
	}
}

// infoBMC adds to a repository what is asked before it.
func infoBMC(b *storeBMC) *storeBMC {
	b.answer = func(c command) ([]byte, byte) {
		if c.number != 0x20 {
			return b.store(c)
		}
		count := byte(len(b.records))
		switch {
		case c.netFn != b.in.netFn:
			return nil, 0xc1
		case c.netFn == netFnStorage:
			return []byte{0x51, count, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 2}, 0
		}
		return []byte{count, 0x01}, 0
	}
	return b
}

// The repository of the system comes first, then that of the BMC's own sensors;
// a BMC with neither has no sensors to tell of.
func TestWhichRepository(t *testing.T) {
	ctx := context.Background()
	for _, in := range []repository{sensorRepository, deviceRepository} {
		got, err := sensorRecords(ctx, newFastClock(), infoBMC(newStoreBMC(t, in, someRecords()...)))
		if err != nil || len(got) != 3 {
			t.Errorf("%s: %d sensors, %v", in.name, len(got), err)
		}
	}
	got, err := sensorRecords(ctx, newFastClock(), infoBMC(newStoreBMC(t, sensorRepository)))
	if err != nil || len(got) != 0 {
		t.Errorf("an empty repository: %d sensors, %v", len(got), err)
	}
	_, err = sensorRecords(ctx, newFastClock(), &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return nil, 0xc1 }})
	wantFailure(t, err, primitives.Unsupported, "no sensor data records")
	for _, short := range [][]byte{nil, {0x51}, make([]byte, 12)} {
		_, err = sensorRecords(ctx, newFastClock(), &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return short, 0 }})
		wantFailure(t, err, primitives.Internal)
	}
}

// A repository that changes while it is read is read again, and not for ever.
func TestRepositoryChanges(t *testing.T) {
	for _, changes := range []int{1, 1 << 30} {
		b := infoBMC(newStoreBMC(t, sensorRepository, someRecords()...))
		answer, stamp := b.answer, byte(0)
		b.answer = func(c command) ([]byte, byte) {
			data, code := answer(c)
			if c.netFn == netFnStorage && c.number == 0x20 {
				if changes > 0 {
					changes--
					stamp++
				}
				data[5] = stamp
			}
			return data, code
		}
		got, err := sensorRecords(context.Background(), newFastClock(), b)
		if changes == 0 && (err != nil || len(got) != 3) {
			t.Errorf("changed once: %d sensors, %v", len(got), err)
		}
		if changes > 0 {
			wantFailure(t, err, primitives.Busy, "keep changing")
		}
	}
}

func FuzzSensorRecord(f *testing.F) {
	f.Add(fullRecord(4, 0x01, eventThreshold, formatTwos<<6, 1, 0, 1, 0, 0, 0, "Inlet"))
	f.Add(compactRecord(10, 1, 3, 0x13, 26, "Temp"))
	f.Add(eventOnlyRecord(30, 0x12, eventSpecific, "Log"))
	f.Add([]byte{1, 0, 0x51, 1, 43})
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, sensor := range parseSensorRecord(record) {
			if strings.ContainsFunc(sensor.name, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("name %q", sensor.name)
			}
			got := sensor.sensor(reading{raw: 0x80, bits: 0x7fff}, sensor.factors)
			if got.Type == "" || slices.Contains(got.States, "") {
				t.Errorf("%+v", got)
			}
		}
	})
}
