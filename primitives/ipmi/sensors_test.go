package ipmi

import (
	"context"
	"slices"
	"testing"

	"ctys/primitives"
)

// temperature is a sensor of the BMC with a reading in degrees.
func temperature(number byte) sensorRecord {
	return parseSensorRecord(fullRecord(number, 1, eventThreshold, 0, 1, 0, 1, 0, 0, 0, "CPU"))[0]
}

func readOne(t *testing.T, record sensorRecord, data []byte, code byte) (Sensor, error) {
	t.Helper()
	return record.read(context.Background(), &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return data, code }})
}

// The replies are those of ipmi_sim where they are not about what it lacks.
func TestThresholdStates(t *testing.T) {
	for _, test := range []struct {
		data  []byte
		state string
	}{
		{[]byte{0x28, 0xc0, 0x00, 0x00}, stateOK},
		{[]byte{0x28, 0xc0}, stateOK}, // without comparisons
		{[]byte{0x28, 0x40, 0xc0}, stateOK},
		{[]byte{0x28, 0xc0, 0x01, 0}, stateNonCritical},
		{[]byte{0x28, 0xc0, 0x08, 0}, stateNonCritical},
		{[]byte{0x28, 0xc0, 0x03, 0}, stateCritical},
		{[]byte{0x28, 0xc0, 0x18, 0}, stateCritical},
		{[]byte{0x28, 0xc0, 0x07, 0}, stateNonRecoverable},
		{[]byte{0x28, 0xc0, 0xf8, 0x80}, stateNonRecoverable},
		{[]byte{0x28, 0xe0, 0x07, 0}, stateUnavailable}, // being updated, or nothing to read
		{[]byte{0x28, 0x80, 0x07, 0}, stateUnavailable}, // scanning disabled
	} {
		got, err := readOne(t, temperature(1), test.data, 0)
		available := test.state != stateUnavailable
		if err != nil || got.State != test.state || (got.Reading != nil) != available || (got.Unit != "") != available ||
			got.Name != "CPU" || got.Type != "temperature" || got.Number != 1 {
			t.Errorf("% x: %+v, %v; want %s", test.data, got, err, test.state)
		}
	}
}

func TestDiscreteStates(t *testing.T) {
	for _, test := range []struct {
		kind, event byte
		bits        []byte
		state       string
		states      []string
	}{
		{0x08, eventSpecific, []byte{0x09, 0x80}, "", []string{"present", "input lost"}},
		{0x21, 0x03, []byte{0x02, 0}, "", []string{"state asserted"}},
		{0x0d, eventSpecific, []byte{0x01, 0x01}, "", []string{"drive present", "rebuild aborted"}},
		{0x22, eventSpecific, []byte{0, 0x40}, "", []string{"unknown"}},
		{0x22, eventSpecific, []byte{0, 0x20}, "", []string{"state 13"}},
		{0x04, 0x0b, []byte{0x01, 0}, "", []string{"fully redundant"}},
		{0x04, 0x0a, []byte{0x41, 0}, "", []string{"running", "degraded"}},
		{0x01, eventSeverity, []byte{0x01, 0}, stateOK, []string{"ok"}},
		{0x01, eventSeverity, []byte{0x02, 0}, stateNonCritical, []string{"non-critical from ok"}},
		{0x01, eventSeverity, []byte{0x24, 0}, stateCritical, []string{"critical from less severe", "critical from non-recoverable"}},
		{0x01, eventSeverity, []byte{0x50, 0}, stateNonRecoverable, []string{"non-critical from more severe", "non-recoverable"}},
		{0x01, eventSeverity, []byte{0, 0x01}, stateOK, []string{"informational"}},
		{0xc7, 0x70, []byte{0x04, 0}, "", []string{"OEM state 2"}},
		{0xc7, eventSpecific, []byte{0x04, 0}, "", []string{"OEM state 2"}},
		{0x30, eventSpecific, []byte{0x04, 0}, "", []string{"state 2"}},
		{0x08, eventSpecific, nil, "", nil},
		{0x08, eventSpecific, []byte{0x01}, "", []string{"present"}},
	} {
		record := parseSensorRecord(compactRecord(7, test.kind, test.event, 1, 0, "x"))[0]
		got, err := readOne(t, record, append([]byte{0, 0xc0}, test.bits...), 0)
		if err != nil || got.State != test.state || !slices.Equal(got.States, test.states) || got.Reading != nil || got.Unit != "" {
			t.Errorf("type %#02x, event %#02x, % x: %+v, %v", test.kind, test.event, test.bits, got, err)
		}
	}
}

// What cannot be read is unavailable, and no other sensor's reading is taken
// for it.
func TestSensorsWithoutReading(t *testing.T) {
	for _, code := range []byte{codeNoRecord, 0xcc, 0xcd, 0xd3, 0xd5, 0xce, codeUnspecified} { // ipmi_sim says cc
		if got, err := readOne(t, temperature(1), nil, code); err != nil || got.State != stateUnavailable || got.Reading != nil {
			t.Errorf("completion code %#02x: %+v, %v", code, got, err)
		}
	}
	for code, kind := range map[byte]primitives.Kind{codePrivilege: primitives.Denied, 0xc0: primitives.Busy, lost: primitives.Timeout} {
		_, err := readOne(t, temperature(1), nil, code)
		wantFailure(t, err, kind)
	}
	for n := range 2 {
		_, err := readOne(t, temperature(1), make([]byte, n), 0)
		wantFailure(t, err, primitives.Internal)
	}
	foreign := temperature(1)
	for _, owner := range []byte{0x2c, 0xc0, 0x41} {
		foreign.owner = owner
		if got, err := readOne(t, foreign, []byte{0x28, 0xc0, 0}, 0); err != nil || got.State != stateUnavailable || got.Reading != nil {
			t.Errorf("a sensor of %#02x: %+v, %v", owner, got, err)
		}
	}
	if got, err := readOne(t, broken([]byte{0x12, 0x34}), []byte{0x28, 0xc0, 0}, 0); err != nil || got.Name != "record 0x3412" || got.State != stateUnavailable {
		t.Errorf("%+v, %v", got, err)
	}
}

// A fan whose reading has no value, standing still, keeps its state.
func TestNoValue(t *testing.T) {
	fan := parseSensorRecord(fullRecord(5, 4, eventThreshold, 0, 18, 7, 1, 0, 0, -5, "Fan"))[0]
	got, err := readOne(t, fan, []byte{0, 0xc0, 0x02, 0}, 0)
	if err != nil || got.Reading != nil || got.Unit != "" || got.State != stateCritical {
		t.Errorf("%+v, %v", got, err)
	}
}

// A sensor that is not linear is asked for its factors at the reading (35.5),
// under the LUN of its owner.
func TestNonLinear(t *testing.T) {
	record := fullRecord(5, 1, eventThreshold, 0, 1, 0x70, 9, 9, 9, 0, "Odd")
	record[6] = 1
	bmc := &scriptedBMC{t: t, answer: func(c command) ([]byte, byte) {
		if c.lun != 1 {
			t.Errorf("command %s went to LUN %d", key(c), c.lun)
		}
		if c.number == 0x23 {
			if !slices.Equal(c.data, []byte{5, 0x14}) {
				t.Errorf("factors were asked for % x", c.data)
			}
			return []byte{0, 3, 0, 0xfe, 0xc0, 0, 0xf0}, 0
		}
		return []byte{0x14, 0xc0, 0, 0}, 0
	}}
	got, err := parseSensorRecord(record)[0].read(context.Background(), bmc)
	if err != nil || got.Reading == nil || *got.Reading != 5.8 { // (3·20 - 2)/10
		t.Errorf("%+v, %v", got, err)
	}
	for code, available := range map[byte]bool{0xc1: false, codePrivilege: true} {
		bmc.answer = func(c command) ([]byte, byte) {
			if c.number == 0x23 {
				return nil, code
			}
			return []byte{0x14, 0xc0, 0, 0}, 0
		}
		got, err := parseSensorRecord(record)[0].read(context.Background(), bmc)
		if (err != nil) != available || got.Reading != nil {
			t.Errorf("%#02x: %+v, %v", code, got, err)
		}
	}
	for n := range 7 {
		bmc.answer = func(c command) ([]byte, byte) {
			if c.number == 0x23 {
				return make([]byte, n), 0
			}
			return []byte{0x14, 0xc0, 0, 0}, 0
		}
		_, err := parseSensorRecord(record)[0].read(context.Background(), bmc)
		wantFailure(t, err, primitives.Internal)
	}
}

// No table has a state without words in the middle, and none more than fit.
func TestStateTables(t *testing.T) {
	for kind, table := range specificStates {
		if len(table) > 15 || len(table) > 0 && kind >= len(sensorTypes) {
			t.Errorf("type %#02x has %d states", kind, len(table))
		}
	}
	for kind := byte(1); int(kind) < len(sensorTypes); kind++ {
		if sensorTypes[kind] == "" {
			t.Errorf("type %#02x has no name", kind)
		}
	}
	if len(severities) != len(genericStates[eventSeverity]) {
		t.Error("a severity is missing")
	}
	if got := sensorTypeName(0xc1); got != "OEM 0xc1" {
		t.Error(got)
	}
	if got := sensorTypeName(0x2d); got != "reserved 0x2d" {
		t.Error(got)
	}
}

func FuzzReading(f *testing.F) {
	f.Add([]byte{0x28, 0xc0, 0, 0}, byte(eventThreshold), byte(1))
	f.Add([]byte{0, 0xc0, 0xff, 0xff}, byte(eventSpecific), byte(0x22))
	f.Fuzz(func(t *testing.T, data []byte, event, kind byte) {
		now, err := parseReading(data)
		if err != nil {
			return
		}
		record := parseSensorRecord(fullRecord(1, kind, event, 0, 1, 7, 1, 0, 0, 0, "x"))[0]
		got := record.sensor(now, record.factors)
		if slices.Contains(got.States, "") || got.Type == "" {
			t.Errorf("%+v", got)
		}
	})
}
