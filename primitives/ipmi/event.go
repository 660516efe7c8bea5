package ipmi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
)

// The ranges of record types (31.6.1): those before have a form of the
// specification, then come those of makers, with a time and without.
const (
	recordEvent      = 0x02
	firstOEMTimed    = 0xc0
	firstOEMTimeless = 0xe0
)

// The timestamps that are none (37.1): unspecified, and up to lastUptime the
// seconds since the BMC started, before its clock was set.
const (
	noTime     = 0xffffffff
	lastUptime = 0x20000000
)

// parseEvent reads a record of the event log (32). The offset is how far its
// clock is ahead of UTC. Sensors that are known are named and their readings
// told in their units.
func parseEvent(record []byte, offset time.Duration, known map[sensorKey]sensorRecord) (Event, error) {
	if len(record) != eventSize {
		return Event{}, unreadable("Get SEL Entry", record)
	}
	event := Event{ID: int(binary.LittleEndian.Uint16(record)), Asserted: true, Data: bytes.Clone(record)}
	kind := record[2]
	if kind < firstOEMTimeless {
		event.At = eventTime(binary.LittleEndian.Uint32(record[3:]), offset)
	}
	switch {
	case kind >= firstOEMTimeless:
		event.Type, event.Text = "OEM", fmt.Sprintf("OEM record %#02x: % x", kind, record[3:])
	case kind >= firstOEMTimed:
		maker := int(record[7]) | int(record[8])<<8 | int(record[9])<<16
		event.Type, event.Text = "OEM", fmt.Sprintf("OEM record %#02x of manufacturer %d: % x", kind, maker, record[10:])
	case kind != recordEvent:
		event.Type, event.Text = "reserved", fmt.Sprintf("reserved record %#02x: % x", kind, record[7:])
	default:
		describe(&event, record, known)
	}
	return event, nil
}

// eventTime is the time of a timestamp (37), zero where it tells none.
func eventTime(seconds uint32, offset time.Duration) time.Time {
	if seconds == noTime || seconds <= lastUptime {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC().Add(-offset)
}

// describe reads the fields of a system event (32.1).
func describe(event *Event, record []byte, known map[sensorKey]sensorRecord) {
	sensorType, eventType, data := record[10], record[12]&0x7f, [3]byte(record[13:])
	event.Asserted = record[12]&0x80 == 0
	event.Type = sensorTypeName(sensorType)
	event.Sensor = event.Type + " " + strconv.Itoa(int(record[11]))
	sensor, ok := known[sensorKey{owner: record[7], lun: record[8] & 3, number: record[11]}]
	if ok && sensor.name != "" {
		event.Sensor = sensor.name
	}
	offset := data[0] & 0x0f
	event.Text = stateName(eventType, sensorType, offset)
	if eventType == eventThreshold {
		event.Text += crossing(sensor, data)
	} else if detail := extension(eventType, sensorType, offset, data); detail != "" {
		event.Text += ": " + detail
	}
}

// What the second and third byte of an event's data hold, by bits 7:6 and 5:4
// of the first (29.7, table 29-6).
const (
	holdsTrigger  = 1 // of a threshold event: the reading, the threshold
	holdsSpecific = 3 // an extension that the sensor type defines
)

// crossing tells the reading that made a threshold event and the threshold.
func crossing(sensor sensorRecord, data [3]byte) string {
	var text string
	linear := sensor.linearization&0x7f < firstNonLinear
	for i, format := range []string{", reading %s %s", ", threshold %s %s"} {
		if !sensor.analogue || !linear || data[0]>>(6-2*i)&3 != holdsTrigger {
			continue
		}
		if value, ok := convert(data[1+i], sensor.format, sensor.linearization, sensor.factors); ok {
			text += fmt.Sprintf(format, strconv.FormatFloat(value, 'g', 6, 64), sensor.unit)
		}
	}
	return text
}

// extension words the second and third byte of the events whose sensor type
// gives them a meaning that matters to an operator (42.2, table 42-3).
func extension(eventType, sensorType, offset byte, data [3]byte) string {
	second, third := data[0]>>6 == holdsSpecific, data[0]>>4&3 == holdsSpecific
	if eventType != eventSpecific {
		return ""
	}
	switch {
	case sensorType == 0x08 && offset == 6 && third:
		return word(supplyErrors, data[2]&0x0f)
	case sensorType == 0x0c && third:
		return "module " + strconv.Itoa(int(data[2]))
	case sensorType == 0x0f && offset == 0 && second:
		return word(firmwareErrors, data[1])
	case sensorType == 0x0f && second:
		return word(firmwareProgress, data[1])
	case sensorType == 0x10 && offset == 5 && third && data[2] <= 100:
		return strconv.Itoa(int(data[2])) + " percent"
	case sensorType == 0x1d && offset == 7 && second:
		return word(restartCauses, data[1]&0x0f)
	case sensorType == 0x21 && third:
		return "number " + strconv.Itoa(int(data[2]))
	case sensorType == 0x23 && second:
		return word(watchdogUses, data[1]&0x0f)
	}
	return ""
}

// word is an entry of a table, or nothing where it has none.
func word(table []string, code byte) string {
	if int(code) < len(table) {
		return table[code]
	}
	return ""
}

var supplyErrors = []string{"vendor mismatch", "revision mismatch", "processor missing", "power rating mismatch", "voltage rating mismatch"}

var firmwareErrors = []string{
	"", "no system memory installed", "no usable system memory", "hard disk failure", "system board failure",
	"diskette subsystem failure", "hard disk controller failure", "keyboard failure",
	"removable boot media not found", "video controller failure", "no video device detected",
	"firmware ROM corruption detected", "CPU voltage mismatch", "CPU speed matching failure",
}

var firmwareProgress = []string{
	"", "memory initialization", "hard disk initialization", "secondary processor initialization",
	"user authentication", "user-initiated system setup", "USB resource configuration",
	"PCI resource configuration", "option ROM initialization", "video initialization", "cache initialization",
	"SM bus initialization", "keyboard controller initialization", "management controller initialization",
	"docking station attachment", "enabling docking station", "docking station ejection",
	"disabling docking station", "calling operating system wake-up vector", "starting operating system boot",
	"baseboard initialization", "", "floppy initialization", "keyboard test", "pointing device test",
	"primary processor initialization",
}

// restartCauses are those of Get System Restart Cause (28.11).
var restartCauses = []string{
	"", "chassis control command", "reset button", "power button", "watchdog expired", "OEM",
	"always restore power policy", "restore previous power policy", "PEF reset", "PEF power cycle", "soft reset",
	"real time clock wake-up",
}

var watchdogUses = []string{"", "BIOS FRB2", "BIOS/POST", "OS load", "SMS/OS", "OEM"}
