package bmc

import (
	"encoding/binary"
	"time"
)

// The system event log (31) and its records (32).

const (
	selRecord  = 16
	selVersion = 0x51
	selRoom    = 512 // records
)

// sel is the log of one BMC. Records are numbered from 1 without gaps, as only
// all of them can be removed.
type sel struct {
	records     [][]byte
	overflow    bool
	added       uint32
	erased      uint32
	reservation uint16
	ahead       time.Duration // of the BMC's clock
}

func (b *BMC) clock() uint32 { return uint32(b.now().Add(b.own().sel.ahead).Unix()) }

// log writes an event of a discrete sensor down.
func (b *BMC) log(number, offset byte, asserted bool) {
	var kind byte
	for _, s := range sensors {
		if s.number == number {
			kind = s.kind
		}
	}
	direction := byte(0x6f)
	if !asserted {
		direction |= 0x80
	}
	// The generator is the BMC itself, the format of the event is that of 2.0.
	b.write([]byte{0, 0, 0x02, 0, 0, 0, 0, 0x20, 0x00, 0x04, kind, number, direction, offset, 0xff, 0xff})
}

// write numbers and dates a record. It tells whether there was room.
func (b *BMC) write(record []byte) bool {
	log := &b.own().sel
	if len(log.records) >= selRoom {
		log.overflow = true
		return false
	}
	now := b.clock()
	binary.LittleEndian.PutUint16(record, uint16(len(log.records)+1))
	if record[2] < 0xe0 { // others have no time (32.3)
		binary.LittleEndian.PutUint32(record[3:], now)
	}
	log.records = append(log.records, record)
	log.added = now
	return true
}

// selInfo is Get SEL Info (31.2).
func (b *BMC) selInfo(*session, []byte) (byte, []byte) {
	log := &b.own().sel
	reply := binary.LittleEndian.AppendUint16([]byte{selVersion}, uint16(len(log.records)))
	reply = binary.LittleEndian.AppendUint16(reply, uint16((selRoom-len(log.records))*selRecord))
	reply = binary.LittleEndian.AppendUint32(reply, log.added)
	reply = binary.LittleEndian.AppendUint32(reply, log.erased)
	support := byte(0x02) // reservations
	if log.overflow {
		support |= 0x80
	}
	return done, append(reply, support)
}

// reserveSEL is Reserve SEL (31.4).
func (b *BMC) reserveSEL(*session, []byte) (byte, []byte) {
	log := &b.own().sel
	log.reservation = max(1, log.reservation+1)
	return done, binary.LittleEndian.AppendUint16(nil, log.reservation)
}

// getSEL is Get SEL Entry (31.5).
func (b *BMC) getSEL(_ *session, data []byte) (byte, []byte) {
	log := &b.own().sel
	reservation, id := binary.LittleEndian.Uint16(data), binary.LittleEndian.Uint16(data[2:])
	offset, count := int(data[4]), int(data[5])
	if offset != 0 && (reservation == 0 || reservation != log.reservation) {
		return noReservation, nil
	}
	return piece(log.records, id, offset, count, selRecord)
}

// addSEL is Add SEL Entry (31.6).
func (b *BMC) addSEL(_ *session, data []byte) (byte, []byte) {
	record := append([]byte(nil), data[:selRecord]...)
	if !b.write(record) {
		return noSpace, nil
	}
	return done, record[:2:2]
}

// clearSEL is Clear SEL (31.9). It answers that erasing is under way, and that it
// is done when it is asked for that. It leaves one record that says so, as in the
// field, and ends the reservation with the next one only, because the status is
// asked for with the old.
func (b *BMC) clearSEL(_ *session, data []byte) (byte, []byte) {
	const initiate, status, underWay, erased = 0xaa, 0x00, 0, 1
	log := &b.own().sel
	reservation := binary.LittleEndian.Uint16(data)
	if reservation == 0 || reservation != log.reservation {
		return noReservation, nil
	}
	if string(data[2:5]) != "CLR" {
		return badField, nil
	}
	switch data[5] {
	case initiate:
		log.records, log.overflow, log.erased = nil, false, b.clock()
		b.log(eventLog, 0x02, true) // log area cleared (table 42-3, type 10h)
		return done, []byte{underWay}
	case status:
		return done, []byte{erased}
	}
	return badField, nil
}

// getSELTime is Get SEL Time (31.10).
func (b *BMC) getSELTime(*session, []byte) (byte, []byte) {
	return done, binary.LittleEndian.AppendUint32(nil, b.clock())
}

// setSELTime is Set SEL Time (31.11).
func (b *BMC) setSELTime(_ *session, data []byte) (byte, []byte) {
	wanted := time.Unix(int64(binary.LittleEndian.Uint32(data)), 0)
	b.own().sel.ahead = wanted.Sub(b.now())
	return done, nil
}
