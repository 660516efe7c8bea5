package ipmi

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"ctys/primitives"
)

// repository is a store of records on a BMC. The sensor data repository, the
// device's own and the event log are read by commands of the same form (33.12,
// 35.3, 31.5).
type repository struct {
	name         string
	netFn        byte
	reserve, get byte
	stale        byte // completion code, beside that of a lost reservation: begin the record anew
	codes        map[byte]meaning
	// size is how long a record is by its first bytes; where they are too few to
	// tell, how many are needed for that, and false.
	size func(record []byte) (int, bool)
}

// The record numbers with a meaning of their own.
const (
	firstRecord = 0x0000 // in a request: the first one
	noRecord    = 0xffff // in a reply: there is no further one
)

const (
	wholeRecord = 0xff // asks for all of a record
	firstChunk  = 32   // bytes, where it cannot be had whole
	mostOffset  = 0xff // a request has no room for more
)

// wholePatience bounds the first request for a whole record: some BMCs answer
// with silence where they cannot.
const wholePatience = 3 * time.Second

// mostRevisits bounds how often one record is begun anew because somebody else
// has reserved the repository meanwhile; revisitPause gives that somebody the
// time for a record of his own.
const (
	mostRevisits = 16
	revisitPause = 20 * time.Millisecond
)

// records reads a repository.
type records struct {
	asker
	clock primitives.Clock
	in    repository

	chunk       int  // bytes asked for at once; wholeRecord until a BMC cannot
	whole       bool // it has given a whole record
	reserved    bool
	reservation uint16
}

func newRecords(a asker, clock primitives.Clock, in repository) *records {
	return &records{asker: a, clock: clock, in: in, chunk: wholeRecord}
}

// each visits all records. Failures of its own: Busy, where somebody else keeps
// reserving the repository; Internal, where its records form no list.
func (r *records) each(ctx context.Context, visit func(record []byte)) error {
	seen := map[uint16]bool{}
	for id := uint16(firstRecord); ; {
		record, next, err := r.read(ctx, id)
		if err != nil {
			return err
		}
		visit(record)
		if next == noRecord || next == firstRecord { // no record has the number 0; some BMCs end so
			return nil
		}
		if seen[next] {
			return failed(primitives.Internal, fmt.Sprintf("the records of the BMC's %s lead round in a circle (at %#04x)", r.in.name, next), nil)
		}
		seen[next] = true
		id = next
	}
}

// read reads one record, and the number of the next one: whole where the BMC
// can do that, else in parts that shrink until it can.
func (r *records) read(ctx context.Context, id uint16) ([]byte, uint16, error) {
	if r.chunk == wholeRecord {
		record, next, err := r.entire(ctx, id)
		if size, known := r.in.size(record); err == nil && known && len(record) >= size {
			r.whole = true
			return record[:size], next, nil
		}
		code := codeOf(err)
		silent := !r.whole && kindOf(err) == primitives.Timeout && !over(ctx, r.clock)
		if err != nil && !silent && !tooMuch(code, wholeRecord) && code != codeReservation {
			return nil, 0, err
		}
		r.chunk = firstChunk
	}
	for range mostRevisits {
		record, next, err := r.assemble(ctx, id)
		if code := codeOf(err); code == 0 || code != codeReservation && code != r.in.stale {
			return record, next, err
		}
		r.reserved = false
		if err := r.clock.Sleep(ctx, revisitPause); err != nil {
			return nil, 0, failed(endKind(ctx), "somebody else holds the BMC's "+r.in.name+", and the time is over", err)
		}
	}
	return nil, 0, failed(primitives.Busy, "somebody else keeps reserving the BMC's "+r.in.name, nil)
}

// entire asks for a whole record.
func (r *records) entire(ctx context.Context, id uint16) ([]byte, uint16, error) {
	if !r.whole {
		bounded, cancel := primitives.WithTimeout(ctx, r.clock, min(wholePatience, remaining(ctx, r.clock)/2))
		defer cancel()
		ctx = bounded
	}
	return r.part(ctx, id, 0, wholeRecord)
}

// assemble reads a record in parts under one reservation.
func (r *records) assemble(ctx context.Context, id uint16) ([]byte, uint16, error) {
	if !r.reserved {
		reservation, err := reserve(ctx, r.asker, r.in)
		if err != nil {
			return nil, 0, err
		}
		r.reserved, r.reservation = true, reservation
	}
	for record := []byte(nil); ; {
		size, _ := r.in.size(record)
		part, next, err := r.part(ctx, id, len(record), min(r.chunk, size-len(record)))
		switch {
		case tooMuch(codeOf(err), r.chunk) && r.chunk > 1:
			r.chunk /= 2
			continue
		case err != nil:
			return nil, 0, err
		case len(part) == 0:
			return nil, 0, unreadable(fmt.Sprintf("the request for record %#04x of its %s", id, r.in.name), part)
		}
		record = append(record, part...)
		if size, known := r.in.size(record); known && len(record) >= size {
			return record[:size], next, nil
		}
	}
}

// part asks for some bytes of a record once.
func (r *records) part(ctx context.Context, id uint16, offset, count int) ([]byte, uint16, error) {
	request := binary.LittleEndian.AppendUint16(nil, r.reservation)
	request = binary.LittleEndian.AppendUint16(request, id)
	request = append(request, byte(offset), byte(count))
	data, err := r.ask(ctx, command{netFn: r.in.netFn, number: r.in.get, data: request, codes: r.in.codes})
	if err != nil {
		return nil, 0, err
	}
	if len(data) < 2 {
		return nil, 0, unreadable("a request for a record of its "+r.in.name, data)
	}
	return data[2:], binary.LittleEndian.Uint16(data), nil
}

// tooMuch tells whether a completion code means that fewer bytes may be had.
// For a whole record any doubt about the request is taken so, as 33.12 advises.
func tooMuch(code byte, count int) bool {
	switch code {
	case codeTooMuch, codeUnspecified, 0xc8:
		return true
	case 0xc7, 0xc9, 0xcc:
		return count == wholeRecord
	}
	return false
}

// reserve gives a reservation of a repository, or 0, which stands for none,
// where the BMC does not know the command.
func reserve(ctx context.Context, a asker, in repository) (uint16, error) {
	data, err := a.ask(ctx, command{netFn: in.netFn, number: in.reserve, codes: in.codes})
	switch {
	case lacks(err):
		return 0, nil
	case err != nil:
		return 0, err
	case len(data) < 2:
		return 0, unreadable("Reserve for its "+in.name, data)
	}
	return binary.LittleEndian.Uint16(data), nil
}
