package journal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"ctys/primitives"
)

// Follow calls fn with every entry from number from on, those that are there
// and those to come, in order. It ends without an error after an entry of kind
// End, with ctx's error when ctx ends, and as Read does where the file is no
// journal. It reads the file alone, so that it works from any process and
// loses nothing when it is begun again from the entry after the last one seen.
func Follow(ctx context.Context, path string, from uint64, fn func(Entry)) error {
	return FollowUntil(ctx, ctx, path, from, fn)
}

// FollowUntil is Follow that ends also when over ends, without an error and when
// fn has all that was written until then.
func FollowUntil(ctx, over context.Context, path string, from uint64, fn func(Entry)) error {
	file, err := os.Open(path)
	if err != nil {
		return notThere("journal.follow", path, err)
	}
	defer file.Close()
	changes, err := watch(path)
	if err != nil {
		return primitives.Wrap("journal.follow", "", "the journal cannot be watched", err)
	}
	defer changes.Close()
	tail := &tail{file: file, path: path, next: 1}
	for {
		last := over.Err() != nil
		ended, err := tail.drain(ctx, from, fn)
		if ended || err != nil || last {
			return err
		}
		if err := changes.wait(over); err != nil && over.Err() == nil {
			return primitives.Wrap("journal.follow", "", "following the journal was ended", err)
		}
	}
}

// tail remembers how far a journal was read, by whole lines: what stands after
// the last one is read again, since it may be cut off or completed.
type tail struct {
	file   *os.File
	path   string
	offset int64
	next   uint64
}

// drain hands on what is new and tells whether the run has ended.
func (t *tail) drain(ctx context.Context, from uint64, fn func(Entry)) (ended bool, err error) {
	section := io.NewSectionReader(t.file, t.offset, 1<<62)
	lines := &lineReader{from: bufio.NewReaderSize(section, 64<<10)}
	for {
		if err := ctx.Err(); err != nil {
			return false, primitives.Wrap("journal.follow", "", "following the journal was ended", err)
		}
		line, err := lines.next()
		if errors.Is(err, io.EOF) || err == nil && isHole(line) {
			return ended, nil
		}
		var entry Entry
		if err == nil {
			entry, err = decode(line, t.next)
		}
		if err != nil {
			return false, lineError(t.path, int(t.next), err)
		}
		t.offset += int64(len(line)) + 1
		t.next++
		ended = entry.Kind == End
		if entry.Seq >= from {
			fn(entry)
		}
	}
}
