package ipmi

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ctys/primitives"
)

// headerSize is the length of the header of a sensor data record (43): number,
// version, type, and the length of the rest.
const headerSize = 5

// The types of the records that describe sensors (43.1 to 43.3).
const (
	recordFull      = 0x01
	recordCompact   = 0x02
	recordEventOnly = 0x03
)

// sensorRepository is the one of the system (33), deviceRepository that of the
// BMC's own sensors (35), which BMCs have that lack the first.
var (
	sensorRepository = repository{name: "sensor data repository", netFn: netFnStorage, reserve: 0x22, get: 0x23, size: recordSize}
	deviceRepository = repository{name: "device sensor data repository", netFn: netFnSensor, reserve: 0x22, get: 0x21, size: recordSize,
		stale: 0x80, codes: map[byte]meaning{0x80: {primitives.Busy, "the record was changed meanwhile"}}}
)

// recordSize is the length of a sensor data record.
func recordSize(record []byte) (int, bool) {
	if len(record) < headerSize {
		return headerSize, false
	}
	return min(headerSize+int(record[4]), mostOffset), true
}

// sensorKey tells the sensors of a system apart (43.1, record key).
type sensorKey struct {
	owner  byte // slave address, or software where bit 0 is set
	lun    byte
	number byte
}

// ownerBMC is the slave address of every BMC (13.8).
const ownerBMC = 0x20

// sensorRecord is what is known of a sensor before it is read.
type sensorRecord struct {
	sensorKey
	name          string
	kind, event   byte // sensor type, event/reading type
	unit          string
	analogue      bool // its reading is a number
	format        byte
	linearization byte
	factors       factors
	silent        bool // it makes events only and cannot be read
	broken        bool // its record cannot be read
}

// mostRereads bounds how often a repository is read again that changes while
// it is read.
const mostRereads = 3

// sensorRecords reads all sensors that the BMC knows of.
func sensorRecords(ctx context.Context, clock primitives.Clock, a asker) ([]sensorRecord, error) {
	for range mostRereads {
		before, err := repositoryInfo(ctx, a)
		if err != nil {
			return nil, err
		}
		var sensors []sensorRecord
		if before.records > 0 {
			err = newRecords(a, clock, before.of).each(ctx, func(record []byte) {
				sensors = append(sensors, parseSensorRecord(record)...)
			})
		}
		if err != nil && codeOf(err) != codeNoRecord {
			return nil, err
		}
		after, infoErr := repositoryInfo(ctx, a)
		if infoErr != nil {
			return nil, infoErr
		}
		if bytes.Equal(before.stamp, after.stamp) {
			return sensors, err
		}
	}
	return nil, failed(primitives.Busy, "the BMC's sensor records keep changing; try again later", nil)
}

// information is what a BMC tells of a repository before its records.
type information struct {
	of      repository
	records int
	stamp   []byte // changes with the records
}

// repositoryInfo finds the repository to read: that of the system, else the
// BMC's own (33.9, 35.2).
func repositoryInfo(ctx context.Context, a asker) (information, error) {
	data, err := a.ask(ctx, command{netFn: netFnStorage, number: 0x20})
	switch {
	case lacks(err):
	case err != nil:
		return information{}, err
	case len(data) < 13:
		return information{}, unreadable("Get SDR Repository Info", data)
	default:
		info := information{of: sensorRepository, records: int(data[1]) | int(data[2])<<8, stamp: bytes.Join([][]byte{data[1:3], data[5:13]}, nil)}
		if info.records > 0 {
			return info, nil
		}
	}
	const countRecords = 1
	own, ownErr := a.ask(ctx, command{netFn: netFnSensor, number: 0x20, data: []byte{countRecords}})
	switch {
	case codeOf(ownErr) != 0 && err == nil:
		return information{of: sensorRepository}, nil // empty, and there is no other
	case lacks(ownErr):
		return information{}, failed(primitives.Unsupported, "the BMC has no sensor data records", nil)
	case ownErr != nil:
		return information{}, ownErr
	case len(own) < 2:
		return information{}, unreadable("Get Device SDR Info", own)
	}
	return information{of: deviceRepository, records: int(own[0]), stamp: own}, nil
}

// parseSensorRecord reads one sensor data record: the sensors that it
// describes, more than one where they share it, none where it is about
// something else. One that cannot be read gives a broken sensor with the
// record's number for a name, so that it is not overlooked.
func parseSensorRecord(record []byte) []sensorRecord {
	if len(record) < headerSize {
		return []sensorRecord{broken(record)}
	}
	switch record[3] {
	case recordFull:
		if len(record) >= 48 {
			return []sensorRecord{parseFull(record)}
		}
	case recordCompact:
		if len(record) >= 32 {
			return shared(parseCompact(record), record[23], record[24])
		}
	case recordEventOnly:
		if len(record) >= 17 {
			return shared(parseEventOnly(record), record[12], record[13])
		}
	default:
		return nil
	}
	return []sensorRecord{broken(record)}
}

func broken(record []byte) sensorRecord {
	number := 0
	for i, b := range record[:min(2, len(record))] {
		number |= int(b) << (8 * i)
	}
	return sensorRecord{name: fmt.Sprintf("record %#04x", number), broken: true}
}

func keyOf(record []byte) sensorKey {
	return sensorKey{owner: record[5], lun: record[6] & 3, number: record[7]}
}

// parseFull reads a full sensor record (43.1).
func parseFull(record []byte) sensorRecord {
	s := sensorRecord{
		sensorKey: keyOf(record), kind: record[12], event: record[13] & 0x7f,
		unit: unitOf(record[20], record[21], record[22]), format: record[20] >> 6,
		linearization: record[23], factors: parseFactors([6]byte(record[24:30])),
		name: idString(record[47:]),
	}
	// The format of a discrete sensor without a reading may be written as 0; one
	// with a unit does give a number.
	s.analogue = s.format != formatNone && (s.event == eventThreshold || s.unit != "")
	return s
}

// parseCompact reads a compact sensor record (43.2). Such a sensor has no
// analogue reading.
func parseCompact(record []byte) sensorRecord {
	return sensorRecord{
		sensorKey: keyOf(record), kind: record[12], event: record[13] & 0x7f, name: idString(record[31:]),
	}
}

// parseEventOnly reads an event-only record (43.3).
func parseEventOnly(record []byte) sensorRecord {
	return sensorRecord{
		sensorKey: keyOf(record), kind: record[10], event: record[11] & 0x7f, name: idString(record[16:]), silent: true,
	}
}

// shared makes the sensors that share a record: their numbers follow each
// other, and their names are told apart by a number or by letters (43.2, bytes
// 24 and 25).
func shared(first sensorRecord, sharing, modifier byte) []sensorRecord {
	count := int(sharing & 0x0f)
	if count <= 1 {
		return []sensorRecord{first}
	}
	var sensors []sensorRecord
	for i := range count {
		if int(first.number)+i >= 0xff { // no sensor has that number
			break
		}
		s := first
		s.number += byte(i)
		s.name += instance(int(modifier&0x7f)+i, sharing>>4&3)
		sensors = append(sensors, s)
	}
	return sensors
}

// instance writes the n-th instance: "5", or in letters "A" to "Z", "AA", …
func instance(n int, style byte) string {
	const inLetters = 1
	if style != inLetters {
		return strconv.Itoa(n)
	}
	letter := string(rune('A' + n%26))
	if n < 26 {
		return letter
	}
	return string(rune('A'+n/26-1)) + letter
}

// idString reads a name with its type/length byte before it (43.15). A name
// that is cut short is taken as far as it goes.
func idString(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	style, length := data[0]>>6, int(data[0]&0x1f)
	text := data[1:]
	var name string
	switch style {
	case 1: // BCD plus, two characters a byte
		name = bcdPlus(text, length)
	case 2: // 6-bit ASCII, four characters in three bytes
		name = sixBit(text, length)
	default: // 8-bit ASCII and Latin 1; what is meant by Unicode, nobody says
		name = latin(text[:min(length, len(text))])
	}
	return strings.TrimSpace(name)
}

// bcdPlus reads characters of four bits, the first in the upper ones. What goes
// beyond the data is left out.
func bcdPlus(data []byte, length int) string {
	const characters = "0123456789 -.:,_"
	var b strings.Builder
	for i := range min(length, 2*len(data)) {
		b.WriteByte(characters[data[i/2]>>(4-4*(i%2))&0x0f])
	}
	return b.String()
}

// sixBit reads characters of six bits, counted from the space, the first in the
// lowest bits. What goes beyond the data is left out.
func sixBit(data []byte, length int) string {
	var b strings.Builder
	for i := range min(length, 8*len(data)/6) {
		at, shift := i*6/8, i*6%8
		value := int(data[at]) >> shift
		if shift > 2 {
			value |= int(data[at+1]) << (8 - shift)
		}
		b.WriteByte(' ' + byte(value&0x3f))
	}
	return b.String()
}

// latin reads Latin 1, or UTF-8 where it is that, up to the first NUL. What
// cannot be printed becomes "?", since a name goes to terminals.
func latin(data []byte) string {
	if end := bytes.IndexByte(data, 0); end >= 0 {
		data = data[:end]
	}
	runes := make([]rune, 0, len(data))
	if utf8.Valid(data) {
		runes = []rune(string(data))
	} else {
		for _, b := range data {
			runes = append(runes, rune(b))
		}
	}
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	return string(runes)
}
