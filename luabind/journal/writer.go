package journal

import (
	"io"

	"ctys/primitives"
)

// write is the one goroutine that touches the file. Each round takes all that
// was appended meanwhile, writes it at once, and syncs once for everybody who
// waits: while one fsync runs, the waiters of the next gather.
func (j *Journal) write() {
	defer close(j.done)
	for range j.wake {
		for j.round() {
		}
		if j.finished() {
			j.finish()
			return
		}
	}
}

// round does what there is to do and tells whether there was anything.
func (j *Journal) round() bool {
	j.mu.Lock()
	if j.failed != nil {
		j.mu.Unlock()
		return false
	}
	text := append([]byte(nil), j.buffer.Bytes()...)
	j.buffer.Reset()
	upTo, syncDue := j.last, j.wanted > j.synced
	j.mu.Unlock()
	if len(text) == 0 && !syncDue {
		return false
	}
	err := writeAll(j.file, text)
	message := "the journal cannot be written (is the disk full?)"
	if err == nil && syncDue {
		// A failed fsync is not tried again: the kernel reports a write-back
		// error once and may have dropped the pages (fsync(2)).
		err = j.file.Sync()
		message = "the journal cannot be put on disk"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil:
		j.failed = &primitives.Error{Kind: primitives.KindOf(err), Op: "journal.write", Host: j.folder, Message: message, Cause: err}
	case syncDue:
		j.synced = upTo
	default:
		return true
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return true
}

// writeAll writes all of text: a Writer may take less and say nothing.
func writeAll(to io.Writer, text []byte) error {
	for len(text) > 0 {
		n, err := to.Write(text)
		if err != nil {
			return err
		}
		if n <= 0 {
			return io.ErrShortWrite
		}
		text = text[n:]
	}
	return nil
}

func (j *Journal) finished() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closing
}

func (j *Journal) finish() {
	err := j.file.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && j.failed == nil {
		j.failed = &primitives.Error{Kind: primitives.KindOf(err), Op: "journal.close", Host: j.folder, Message: "the journal was not closed cleanly", Cause: err}
	}
}
