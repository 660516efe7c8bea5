package ipmi

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"ctys/primitives"
)

// eventSize is the length of every record of the event log (32).
const eventSize = 16

// codeErasing says that the event log is being erased (31.2 to 31.8).
const codeErasing = 0x81

var selCodes = map[byte]meaning{codeErasing: {primitives.Busy, "its event log is being erased"}}

// eventLog is the system event log (31).
var eventLog = repository{
	name: "event log", netFn: netFnStorage, reserve: 0x42, get: 0x43, codes: selCodes,
	size: func([]byte) (int, bool) { return eventSize, true },
}

// logInfo is what Get SEL Info says (31.2).
type logInfo struct {
	entries       int
	added, erased uint32 // timestamps of the last addition and erasure
}

func readLogInfo(ctx context.Context, a asker) (logInfo, error) {
	data, err := a.ask(ctx, command{netFn: netFnStorage, number: 0x40, codes: selCodes})
	if lacks(err) {
		return logInfo{}, failed(primitives.Unsupported, "the BMC has no event log", err)
	}
	if err != nil {
		return logInfo{}, err
	}
	return parseLogInfo(data)
}

// parseLogInfo reads what follows the completion code of Get SEL Info.
func parseLogInfo(data []byte) (logInfo, error) {
	if len(data) < 13 {
		return logInfo{}, unreadable("Get SEL Info", data)
	}
	return logInfo{
		entries: int(binary.LittleEndian.Uint16(data[1:])),
		added:   binary.LittleEndian.Uint32(data[5:]),
		erased:  binary.LittleEndian.Uint32(data[9:]),
	}, nil
}

// readEvents reads the event log, oldest record first, with the names of the
// sensors where the BMC tells them.
func readEvents(ctx context.Context, clock primitives.Clock, a asker) ([]Event, error) {
	raw, err := readLog(ctx, clock, a)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	offset, err := readTimeOffset(ctx, a)
	if err != nil {
		return nil, err
	}
	// The names are a courtesy: without them the events still say what happened.
	sensors, err := sensorRecords(ctx, clock, a)
	if kindOf(err) == primitives.Canceled && ctx.Err() != nil {
		return nil, err
	}
	known := map[sensorKey]sensorRecord{}
	for _, sensor := range sensors {
		if !sensor.broken {
			known[sensor.sensorKey] = sensor
		}
	}
	var events []Event
	for _, record := range raw {
		event, err := parseEvent(record, offset, known)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// readLog reads the records of the event log. One that is erased meanwhile is
// read again.
func readLog(ctx context.Context, clock primitives.Clock, a asker) ([][]byte, error) {
	for range mostRereads {
		before, err := readLogInfo(ctx, a)
		if err != nil || before.entries == 0 {
			return nil, err
		}
		var raw [][]byte
		err = newRecords(a, clock, eventLog).each(ctx, func(record []byte) { raw = append(raw, bytes.Clone(record)) })
		if err != nil && codeOf(err) != codeNoRecord {
			return nil, err
		}
		after, infoErr := readLogInfo(ctx, a)
		switch {
		case infoErr != nil:
			return nil, infoErr
		case after.erased != before.erased || after.entries < before.entries:
			continue
		case err != nil:
			return nil, err
		}
		return raw, nil
	}
	return nil, failed(primitives.Busy, "somebody keeps erasing the BMC's event log; try again later", nil)
}

// readTimeOffset asks how far the clock of the event log is ahead of UTC
// (31.11a). Where a BMC does not tell, its clock is taken to be on UTC, as most
// are.
func readTimeOffset(ctx context.Context, a asker) (time.Duration, error) {
	data, err := a.ask(ctx, command{netFn: netFnStorage, number: 0x5c})
	if err != nil && codeOf(err) == 0 {
		return 0, err
	}
	return parseTimeOffset(data), nil
}

// parseTimeOffset reads an offset in minutes; one beyond a day is unspecified.
func parseTimeOffset(data []byte) time.Duration {
	if len(data) < 2 {
		return 0
	}
	minutes := int(int16(binary.LittleEndian.Uint16(data)))
	if minutes < -1440 || minutes > 1440 {
		return 0
	}
	return time.Duration(minutes) * time.Minute
}

// erasePause is how long an erasure is let go on between two looks.
const erasePause = 200 * time.Millisecond

// clearEvents erases the event log (31.9) and waits until it is done. The
// erasure is begun at most once. Where no reply comes to that, the log itself
// tells whether it was; where it looks untouched, the request may still be on
// its way, and the failure says so.
//
// The reservation makes the BMC refuse where an event is added between the look
// at the log and its erasure (31.4); then the look is taken again.
func clearEvents(ctx context.Context, clock primitives.Clock, a asker) error {
	for range mostRereads {
		reservation, err := reserve(ctx, a, eventLog)
		if err != nil {
			return err
		}
		before, err := readLogInfo(ctx, a)
		if err != nil || before.entries == 0 {
			return err
		}
		data, err := a.once(ctx, clearLog(reservation, beginErasure))
		switch {
		case err == nil:
			return awaitErasure(ctx, clock, a, reservation, data)
		case codeOf(err) == codeReservation:
			continue
		case codeOf(err) != 0 && kindOf(err) != primitives.Timeout:
			return err // refused: nothing was erased
		}
		return witnessErasure(ctx, clock, a, before, err)
	}
	return failed(primitives.Busy, "events keep coming into the BMC's log, or somebody else holds it: nothing was erased; try again later", nil)
}

// The operations of Clear SEL.
const (
	beginErasure = 0xaa
	lookAtErase  = 0x00
)

func clearLog(reservation uint16, operation byte) command {
	data := binary.LittleEndian.AppendUint16(nil, reservation)
	return command{netFn: netFnStorage, number: 0x47, data: append(data, 'C', 'L', 'R', operation), codes: selCodes}
}

// awaitErasure looks at an erasure that has begun until it is complete. The
// first look is the reply to its beginning.
func awaitErasure(ctx context.Context, clock primitives.Clock, a asker, reservation uint16, data []byte) error {
	for {
		switch {
		case len(data) < 1:
			return unreadable("Clear SEL", data)
		case data[0]&0x0f == 1:
			return nil
		}
		if err := clock.Sleep(ctx, erasePause); err != nil {
			return failed(endKind(ctx), "the BMC was still erasing its event log", err)
		}
		var err error
		data, err = a.ask(ctx, clearLog(reservation, lookAtErase))
		switch codeOf(err) {
		case codeReservation: // the erasure, or a new event, has cancelled it
			if reservation, err = reserve(ctx, a, eventLog); err != nil && codeOf(err) != codeErasing {
				return err
			}
			data = []byte{0}
		case codeErasing:
			data = []byte{0}
		default:
			if err != nil {
				return err
			}
		}
	}
}

// witnessErasure finds out what became of an erasure whose reply was lost.
func witnessErasure(ctx context.Context, clock primitives.Clock, a asker, before logInfo, lost error) error {
	for {
		after, err := readLogInfo(ctx, a)
		switch {
		case codeOf(err) == codeErasing:
			if clock.Sleep(ctx, erasePause) == nil {
				continue
			}
		case err == nil && (after.erased != before.erased || after.entries < before.entries):
			return nil
		}
		return failed(kindOf(lost), fmt.Sprintf("the erasure of the event log was asked for once and no reply came; it held %d records before: unknown, not repeated; read the log before another one", before.entries), nil)
	}
}
