package bmc

import (
	"encoding/binary"
	"sync"
)

// The SDR repository (33) and its records (43).

const (
	sdrVersion = 0x51
	mostOfSDR  = 48 // bytes that one Get SDR gives: a longer record takes two
	lastRecord = 0xffff
	firstOne   = 0x0000
)

// repository is the records, the same on every BMC. The place in it is the
// record's id, less one.
var repository = sync.OnceValue(func() [][]byte {
	records := [][]byte{locator()}
	for _, s := range sensors {
		switch {
		case s.event:
			records = append(records, s.eventOnly())
		case s.discrete:
			records = append(records, s.compact())
		default:
			records = append(records, s.full())
		}
	}
	for i, record := range records {
		binary.LittleEndian.PutUint16(record, uint16(i+1))
		record[4] = byte(len(record) - 5)
	}
	return records
})

func named(record []byte, name string) []byte {
	return append(append(record, 0xc0|byte(len(name))), name...)
}

// locator is the record of the BMC itself (43.9).
func locator() []byte {
	record := make([]byte, 15, 32)
	record[2], record[3] = sdrVersion, 0x12
	record[5] = 0x20                 // address
	record[8] = 0x87                 // as Get Device ID has it
	record[12], record[13] = 0x2e, 1 // management controller
	return named(record, "BMC")
}

// head is what the records of sensors begin with.
func (s sensor) head(kind byte, size int) []byte {
	record := make([]byte, size, size+17)
	record[2], record[3] = sdrVersion, kind
	record[5] = 0x20
	record[7], record[8], record[9] = s.number, s.entity, 1
	return record
}

func (s sensor) eventType() byte {
	if s.discrete {
		return 0x6f
	}
	return 0x01
}

// full is a full sensor record (43.1).
func (s sensor) full() []byte {
	record := s.head(0x01, 47)
	record[10] = 0x7f // how it starts: all of it on
	record[11] = 0x40 // it arms itself again
	if s.has != 0 {
		record[11] |= 0x04 // its thresholds can be read
	}
	record[12], record[13] = s.kind, s.eventType()
	record[18] = s.has
	record[21] = s.unit
	record[24], record[25] = byte(s.m), byte(s.m>>8)<<6
	record[29] = byte(s.exponent) << 4
	record[34] = 0xff // the most that it can read
	// The record has them from the upper non-recoverable one down to the lower
	// non-critical one, within each half.
	for i, at := range []int{41, 40, 39, 38, 37, 36} {
		record[at] = s.thresholds[i]
	}
	return named(record, s.name)
}

// compact is a compact sensor record (43.2).
func (s sensor) compact() []byte {
	record := s.head(0x02, 31)
	record[10], record[11] = 0x67, 0x40
	record[12], record[13] = s.kind, s.eventType()
	states := uint16(0x7f)
	for _, at := range []int{14, 16, 18} { // asserted, deasserted, read
		binary.LittleEndian.PutUint16(record[at:], states)
	}
	record[20] = 0xc0 // no analogue reading
	record[23] = 1    // one sensor
	return named(record, s.name)
}

// eventOnly is an event-only record (43.3).
func (s sensor) eventOnly() []byte {
	record := s.head(0x03, 16)
	record[10], record[11] = s.kind, s.eventType()
	record[12] = 1
	return named(record, s.name)
}

// sdrInfo is Get SDR Repository Info (33.9): reservations are supported, changes
// are not.
func (b *BMC) sdrInfo(*session, []byte) (byte, []byte) {
	reply := binary.LittleEndian.AppendUint16([]byte{sdrVersion}, uint16(len(repository())))
	reply = append(reply, 0, 0) // no space
	reply = append(reply, make([]byte, 8)...)
	return done, append(reply, 0x02)
}

// reserveSDR is Reserve SDR Repository (33.11). A new reservation ends the one
// before.
func (b *BMC) reserveSDR(*session, []byte) (byte, []byte) {
	own := b.own()
	own.sdr = max(1, own.sdr+1)
	return done, binary.LittleEndian.AppendUint16(nil, own.sdr)
}

// getSDR is Get SDR (33.12).
func (b *BMC) getSDR(_ *session, data []byte) (byte, []byte) {
	reservation, id := binary.LittleEndian.Uint16(data), binary.LittleEndian.Uint16(data[2:])
	offset, count := int(data[4]), int(data[5])
	if offset != 0 && (reservation == 0 || reservation != b.own().sdr) {
		return noReservation, nil
	}
	return piece(repository(), id, offset, count, mostOfSDR)
}

// piece gives a part of a record after the id of the one that follows, as Get SDR
// and Get SEL Entry do. Records are numbered from 1.
func piece(records [][]byte, id uint16, offset, count, most int) (byte, []byte) {
	at := int(id) - 1
	switch id {
	case firstOne:
		at = 0
	case lastRecord:
		at = len(records) - 1
	}
	if at < 0 || at >= len(records) {
		return noRecord, nil
	}
	record := records[at]
	if count == 0xff {
		count = len(record) - offset
	}
	switch {
	case offset >= len(record):
		return outOfRange, nil
	case min(count, len(record)-offset) > most:
		return tooMany, nil
	}
	next := uint16(lastRecord)
	if at+1 < len(records) {
		next = uint16(at + 2)
	}
	part := record[offset:min(offset+count, len(record))]
	return done, append(binary.LittleEndian.AppendUint16(nil, next), part...)
}
