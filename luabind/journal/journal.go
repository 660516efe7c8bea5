package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"sync"

	"ctys/primitives"
)

const (
	appendOp = "journal.append"
	syncOp   = "journal.sync"
)

// maxLine bounds one entry, so that a reader can bound its memory.
const maxLine = 16 << 20

// logFile is what the writer needs of a file; tests count and break it.
type logFile interface {
	io.Writer
	Sync() error
	Close() error
}

// Journal is the file of a run that goes on. It is safe for concurrent use.
//
// The first failure to write or sync is final: after it the file may lack what
// Append took, so every Append and Sync from then on returns that error.
type Journal struct {
	folder string
	job    string
	clock  primitives.Clock

	mu      sync.Mutex
	buffer  bytes.Buffer // what is not yet written
	last    uint64       // entries appended
	synced  uint64       // entries on disk
	wanted  uint64       // entries that somebody waits for in Sync
	failed  error
	closing bool
	changed chan struct{} // closed and replaced when synced or failed change

	wake chan struct{} // one token: there is something to do
	done chan struct{} // closed when the writer has ended
	file logFile
}

func start(file logFile, folder, job string, last uint64, clock primitives.Clock) *Journal {
	j := &Journal{
		folder: folder, job: job, clock: clock, file: file,
		last: last, synced: last, wanted: last,
		changed: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	go j.write()
	return j
}

// Job is the id of the run.
func (j *Journal) Job() string { return j.job }

// Folder is the run's own folder, absolute.
func (j *Journal) Folder() string { return j.folder }

// Append takes an entry and gives its number. It does not wait for the disk;
// the entry is written soon, and Sync makes sure of it. At and Job are filled
// in where they are empty. An entry that is no JSON, or too large, is
// primitives.Invalid and leaves the journal as it was; any other error is that
// of a journal that has failed or is closed.
func (j *Journal) Append(entry Entry) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.refusal(appendOp); err != nil {
		return 0, err
	}
	if !kinds[entry.Kind] {
		return 0, primitives.Errorf(primitives.Invalid, appendOp, "", "%q is no kind of entry", entry.Kind)
	}
	if entry.Job == "" {
		entry.Job = j.job
	}
	if entry.At.IsZero() {
		entry.At = j.clock.Now()
	}
	entry.Seq = j.last + 1
	before := j.buffer.Len()
	if err := j.encode(entry); err != nil {
		j.buffer.Truncate(before)
		return 0, err
	}
	j.last++
	j.poke()
	return j.last, nil
}

// encode puts one line into the buffer.
func (j *Journal) encode(entry Entry) error {
	before := j.buffer.Len()
	encoder := json.NewEncoder(&j.buffer)
	encoder.SetEscapeHTML(false) // people read this file
	if err := encoder.Encode(entry); err != nil {
		return &primitives.Error{Kind: primitives.Invalid, Op: appendOp, Message: "the entry cannot be written as JSON", Cause: err}
	}
	if size := j.buffer.Len() - before; size > maxLine {
		return primitives.Errorf(primitives.Invalid, appendOp, "", "the entry has %d bytes; at most %d are taken", size, maxLine)
	}
	return nil
}

// refusal says why nothing more is taken; nil while the journal is well.
func (j *Journal) refusal(op string) error {
	if j.failed != nil {
		return j.failed
	}
	if j.closing {
		return primitives.Errorf(primitives.Invalid, op, "", "the journal is closed")
	}
	return nil
}

// Last is the number of the newest entry.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Sync waits until every entry up to seq is on disk. All who wait at the same
// time share one fsync. When ctx ends first its error is returned, and the
// entries go to disk all the same.
func (j *Journal) Sync(ctx context.Context, seq uint64) error {
	for {
		j.mu.Lock()
		if seq > j.last {
			j.mu.Unlock()
			return primitives.Errorf(primitives.Invalid, syncOp, "", "there is no entry %d yet", seq)
		}
		if seq <= j.synced {
			j.mu.Unlock()
			return nil
		}
		if j.failed != nil {
			defer j.mu.Unlock()
			return j.failed
		}
		if seq > j.wanted {
			j.wanted = seq
			j.poke()
		}
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return primitives.Wrap(syncOp, "", "it is not known whether the journal is on disk", ctx.Err())
		}
	}
}

// Close writes and syncs what is left and closes the file. Only the first call
// does anything; all give the journal's error, if there was one.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closing = true
	j.wanted = j.last
	j.poke()
	j.mu.Unlock()
	<-j.done
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// poke makes sure that the writer looks again; j.mu is held.
func (j *Journal) poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}
