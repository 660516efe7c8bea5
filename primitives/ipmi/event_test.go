package ipmi

import (
	"testing"

	"ctys/primitives"
)

func TestEventText(t *testing.T) {
	sensors := map[sensorKey]sensorRecord{}
	for _, record := range [][]byte{
		fullRecord(1, 1, eventThreshold, 0, 1, 0, 1, 0, 0, 0, "CPU"),
		fullRecord(2, 2, eventThreshold, formatTwos<<6, 4, 0, 6, 0, 0, -2, "12V"),
		fullRecord(5, 4, eventThreshold, 0, 18, 0x70, 1, 0, 0, 0, "Odd"),
	} {
		sensor := parseSensorRecord(record)[0]
		sensors[sensor.sensorKey] = sensor
	}
	for _, test := range []struct {
		record       []byte
		sensor, text string
	}{
		// as ipmi_sim has it
		{fromHex(t, "010002e2090000200004010101595a55"), "CPU", "upper critical going high, reading 90 degrees C, threshold 85 degrees C"},
		{event(eventThreshold, 2, 2, 0x52, 0xff, 0xfe), "12V", "lower critical going low, reading -0.06 volts, threshold -0.12 volts"},
		{event(eventThreshold, 1, 1, 0x49, 90, 85), "CPU", "upper critical going high, reading 90 degrees C"},
		{event(eventThreshold, 1, 1, 0x09, 90, 85), "CPU", "upper critical going high"},
		{event(eventThreshold, 1, 1, 0xa9, 90, 85), "CPU", "upper critical going high"}, // a maker's own
		{event(eventThreshold, 4, 5, 0x52, 1, 2), "Odd", "lower critical going low"},    // its factors are not known
		{event(eventThreshold, 1, 9, 0x59, 90, 85), "temperature 9", "upper critical going high"},
		{event(eventThreshold, 1, 1, 0x5f, 90, 85), "CPU", "state 15, reading 90 degrees C, threshold 85 degrees C"},
		{event(eventSpecific, 0x0f, 3, 0xc2, 0x13, 0xff), "system firmware 3", "system firmware progress: starting operating system boot"},
		{event(eventSpecific, 0x0f, 3, 0xc0, 0x02, 0xff), "system firmware 3", "system firmware error: no usable system memory"},
		{event(eventSpecific, 0x0f, 3, 0xc0, 0x77, 0xff), "system firmware 3", "system firmware error"},
		{event(eventSpecific, 0x0f, 3, 0xa0, 0x02, 0xff), "system firmware 3", "system firmware error"},
		{event(eventSpecific, 0x08, 3, 0x36, 0xff, 0x03), "power supply 3", "configuration error: power rating mismatch"},
		{event(eventSpecific, 0x10, 3, 0x35, 0xff, 75), "event logging 3", "log almost full: 75 percent"},
		{event(eventSpecific, 0x10, 3, 0x35, 0xff, 200), "event logging 3", "log almost full"},
		{event(eventSpecific, 0x1d, 3, 0xc7, 0x01, 0xff), "system boot 3", "system restart: chassis control command"},
		{event(eventSpecific, 0x21, 3, 0x30, 0xff, 4), "slot 3", "fault: number 4"},
		{event(eventSpecific, 0x23, 3, 0xc1, 0x24, 0xff), "watchdog 2 3", "hard reset: SMS/OS"},
		{event(0x70, 0xc1, 3, 0x02, 0xff, 0xff), "OEM 0xc1 3", "OEM state 2"},
		{event(0x0b, 0x08, 3, 0x01, 0xff, 0xff), "power supply 3", "redundancy lost"},
	} {
		got, err := parseEvent(test.record, 0, sensors)
		if err != nil || got.Sensor != test.sensor || got.Text != test.text {
			t.Errorf("% x: %q %q, %v; want %q %q", test.record, got.Sensor, got.Text, err, test.sensor, test.text)
		}
	}
	// The same number elsewhere is another sensor.
	for _, change := range []func(record []byte){
		func(r []byte) { r[7] = 0x2c }, func(r []byte) { r[8] = 1 }, func(r []byte) { r[7] = 0x21 },
	} {
		record := event(eventThreshold, 1, 1, 0x59, 90, 85)
		change(record)
		if got, err := parseEvent(record, 0, sensors); err != nil || got.Sensor != "temperature 1" || got.Text != "upper critical going high" {
			t.Errorf("% x: %+v, %v", record, got, err)
		}
	}
}

func TestEventRecordTypes(t *testing.T) {
	for kind, want := range map[byte]struct {
		kind string
		at   bool
	}{
		0x02: {"temperature", true}, 0x03: {"reserved", true}, 0x00: {"reserved", true}, 0xbf: {"reserved", true},
		0xc0: {"OEM", true}, 0xdf: {"OEM", true}, 0xe0: {"OEM", false}, 0xff: {"OEM", false},
	} {
		record := event(eventThreshold, 1, 1, 0x59, 90, 85)
		record[2] = kind
		got, err := parseEvent(record, 0, nil)
		if err != nil || got.Type != want.kind || got.At.IsZero() == want.at || got.Text == "" || !got.Asserted {
			t.Errorf("%#02x: %+v, %v", kind, got, err)
		}
	}
	for n := range 40 {
		if n == eventSize {
			continue
		}
		_, err := parseEvent(make([]byte, n), 0, nil)
		wantFailure(t, err, primitives.Internal)
	}
}
