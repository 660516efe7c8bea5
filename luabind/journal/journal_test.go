package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctys/primitives"
)

// fakeFile is a file in memory that counts, holds up and breaks.
type fakeFile struct {
	mu       sync.Mutex
	text     bytes.Buffer
	syncs    int
	writes   int
	mostOnce int           // bytes that one Write takes; 0 means all
	room     int           // bytes until the disk is full; -1 means no end
	hold     chan struct{} // Sync waits for it, if there is one
	entered  chan struct{} // Sync says here that it waits
	syncErr  error
	closed   bool
}

func newFake() *fakeFile { return &fakeFile{room: -1} }

func (f *fakeFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if f.mostOnce > 0 && len(p) > f.mostOnce {
		p = p[:f.mostOnce]
	}
	if f.room >= 0 && len(p) > f.room {
		n, _ := f.text.Write(p[:f.room])
		f.room = 0
		return n, syscall.ENOSPC
	}
	if f.room >= 0 {
		f.room -= len(p)
	}
	return f.text.Write(p)
}

func (f *fakeFile) Sync() error {
	if f.hold != nil {
		f.entered <- struct{}{}
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	return f.syncErr
}

func (f *fakeFile) Close() error { f.closed = true; return nil }

func (f *fakeFile) content() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

const testJob = exampleID

var bg = context.Background()

func note(text string) Entry {
	return Entry{Kind: Note, Text: text}
}

func mustAppend(t *testing.T, j *Journal, entry Entry) uint64 {
	t.Helper()
	seq, err := j.Append(entry)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestOneSyncForManyWaiters(t *testing.T) {
	file := newFake()
	file.hold, file.entered = make(chan struct{}), make(chan struct{}, 10)
	j := start(file, "/x", testJob, 0, primitives.SystemClock{})
	const callers = 500
	var all sync.WaitGroup
	caller := func() {
		defer all.Done()
		seq, err := j.Append(note("n"))
		if err == nil {
			err = j.Sync(bg, seq)
		}
		if err != nil {
			t.Error(err)
		}
	}
	all.Add(callers)
	go caller()
	<-file.entered // the first is in its fsync; the others gather meanwhile
	for range callers - 1 {
		go caller()
	}
	for waiting := uint64(0); waiting < callers; {
		time.Sleep(time.Millisecond)
		j.mu.Lock()
		waiting = j.wanted
		j.mu.Unlock()
	}
	close(file.hold)
	all.Wait()
	if file.syncs > 3 {
		t.Errorf("%d fsyncs for %d callers", file.syncs, callers)
	}
	t.Logf("%d callers shared %d fsyncs and %d writes", callers, file.syncs, file.writes)
	if err := j.Close(); err != nil || !file.closed {
		t.Error(err, file.closed)
	}
	log, err := read("x", strings.NewReader(file.content()))
	if err != nil || len(log.Entries) != callers {
		t.Error(len(log.Entries), err)
	}
}

func TestManyWritersAtOnceKeepTheOrder(t *testing.T) {
	j, err := Create(t.TempDir(), testJob, primitives.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for task := range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range 20 {
				seq, err := j.Append(Entry{Kind: Note, Task: fmt.Sprint(task), Text: fmt.Sprint(n)})
				if err == nil {
					err = j.Sync(bg, seq)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	log, err := Read(filepath.Join(j.Folder(), FileName))
	if err != nil || len(log.Entries) != 400 || log.Torn != 0 {
		t.Fatal(len(log.Entries), log.Torn, err)
	}
	next := map[string]int{}
	for _, entry := range log.Entries {
		if entry.Text != fmt.Sprint(next[entry.Task]) || entry.Job != testJob || entry.At.IsZero() {
			t.Fatalf("%+v", entry)
		}
		next[entry.Task]++
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func TestAppendDoesNotWaitForTheDisk(t *testing.T) {
	file := newFake()
	file.hold, file.entered = make(chan struct{}), make(chan struct{}, 10)
	j := start(file, "/x", testJob, 0, primitives.SystemClock{})
	seq := mustAppend(t, j, note("1"))
	ctx, cancel := context.WithCancel(bg)
	go func() { <-file.entered; mustAppend(t, j, note("2")); cancel() }()
	if err := j.Sync(ctx, seq); primitives.KindOf(err) != primitives.Canceled {
		t.Error(err)
	}
	close(file.hold)
	if err := j.Sync(bg, j.Last()); err != nil {
		t.Error(err)
	}
	if err := j.Sync(bg, 0); err != nil {
		t.Error(err)
	}
	if err := j.Sync(bg, 3); primitives.KindOf(err) != primitives.Invalid {
		t.Error("an entry to come:", err)
	}
	j.Close()
}

func TestShortWritesAreCompleted(t *testing.T) {
	file := newFake()
	file.mostOnce = 7
	j := start(file, "/x", testJob, 0, primitives.SystemClock{})
	for i := range 5 {
		mustAppend(t, j, note(fmt.Sprint("entry ", i)))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := read("x", strings.NewReader(file.content()))
	if err != nil || len(log.Entries) != 5 || log.Torn != 0 {
		t.Error(len(log.Entries), log.Torn, err)
	}
}

func TestAFullDiskIsToldToEverybodyForEver(t *testing.T) {
	file := newFake()
	file.room = 150
	j := start(file, "/x", testJob, 0, primitives.SystemClock{})
	if err := j.Sync(bg, mustAppend(t, j, note("fits"))); err != nil {
		t.Fatal(err)
	}
	seq := mustAppend(t, j, note(strings.Repeat("too much ", 20)))
	var all sync.WaitGroup
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			err := j.Sync(bg, seq)
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the journal cannot be written (is the disk full?)") {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	file.mu.Lock()
	file.room = -1
	file.mu.Unlock()
	if _, err := j.Append(note("again")); !errors.Is(err, syscall.ENOSPC) {
		t.Error("it went on:", err)
	}
	if err := j.Sync(bg, 1); err != nil {
		t.Error("what was on disk is lost:", err)
	}
	if err := j.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	log, err := read("x", strings.NewReader(file.content()))
	if err != nil || len(log.Entries) != 1 || log.Torn == 0 {
		t.Error(len(log.Entries), log.Torn, err)
	}
}

func TestAFailedSyncIsFinal(t *testing.T) {
	file := newFake()
	file.syncErr = syscall.EIO
	j := start(file, "/x", testJob, 0, primitives.SystemClock{})
	seq := mustAppend(t, j, note("x"))
	for range 3 {
		if err := j.Sync(bg, seq); !errors.Is(err, syscall.EIO) {
			t.Error(err)
		}
		file.mu.Lock()
		file.syncErr = nil
		file.mu.Unlock()
	}
	if _, err := j.Append(note("y")); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if err := j.Close(); !errors.Is(err, syscall.EIO) || file.syncs != 1 {
		t.Error(err, file.syncs)
	}
}

type lazyWriter struct{}

func (lazyWriter) Write([]byte) (int, error) { return 0, nil }

func TestAWriterThatTakesNothing(t *testing.T) {
	if err := writeAll(lazyWriter{}, []byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

func TestAppendRefuses(t *testing.T) {
	j := start(newFake(), "/x", testJob, 0, primitives.SystemClock{})
	for _, test := range []struct {
		entry Entry
		want  string
	}{
		{Entry{}, `"" is no kind of entry`},
		{Entry{Kind: "maybe"}, `"maybe" is no kind of entry`},
		{Entry{Kind: Note, Data: map[string]any{"f": func() {}}}, "the entry cannot be written as JSON"},
		{note(strings.Repeat("x", maxLine)), "at most 16777216 are taken"},
	} {
		if _, err := j.Append(test.entry); err == nil || !strings.Contains(err.Error(), test.want) || primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	if seq := mustAppend(t, j, note("<still well>")); seq != 1 {
		t.Error(seq)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if got := j.file.(*fakeFile).content(); !strings.Contains(got, `"<still well>"`) || strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if _, err := j.Append(note("late")); err == nil {
		t.Error("a closed journal took an entry")
	}
}

func TestCreateAndReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jobs")
	j, err := Create(dir, testJob, primitives.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(j.Folder(), FileName)
	for name, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, j.Folder(): os.ModeDir | 0o700, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Error(name, info.Mode(), err)
		}
	}
	mustAppend(t, j, Entry{Kind: Request})
	if _, err := Create(dir, testJob, primitives.SystemClock{}); primitives.KindOf(err) != primitives.Busy {
		t.Error(err)
	}
	if _, _, err := Reopen(dir, testJob, primitives.SystemClock{}); primitives.KindOf(err) != primitives.Busy {
		t.Error(err)
	}
	if running, err := Running(dir, testJob); !running || err != nil {
		t.Error(running, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if running, err := Running(dir, testJob); running || err != nil {
		t.Error(running, err)
	}
	file, _ := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	file.WriteString(`{"seq":2,"at":"2026-`)
	file.Close()

	again, log, err := Reopen(dir, testJob, primitives.SystemClock{})
	if err != nil || len(log.Entries) != 1 || log.Torn != 20 {
		t.Fatal(log, err)
	}
	if seq := mustAppend(t, again, Entry{Kind: End}); seq != 2 {
		t.Error(seq)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if log, err := Read(path); err != nil || len(log.Entries) != 2 || log.Torn != 0 {
		t.Error(log, err)
	}
	if jobs, err := Jobs(dir); err != nil || fmt.Sprint(jobs) != "["+testJob+"]" {
		t.Error(jobs, err)
	}
	if jobs, err := Jobs(filepath.Join(dir, "none")); err != nil || len(jobs) != 0 {
		t.Error(jobs, err)
	}
	for _, bad := range []string{"", "..", "x", testJob + "/..", strings.ToUpper(testJob)} {
		if _, err := Create(dir, bad, primitives.SystemClock{}); primitives.KindOf(err) != primitives.Invalid {
			t.Error(bad, err)
		}
	}
	if _, _, err := Reopen(dir, "20260731-142530-042-00000000", primitives.SystemClock{}); primitives.KindOf(err) != primitives.Invalid {
		t.Error(err)
	}
}

func TestStoreFile(t *testing.T) {
	dir := t.TempDir()
	j, err := Create(dir, testJob, primitives.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, text := range []string{"one", "two"} {
		if err := j.StoreFile("scripts/cancel.lua", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := Stored(dir, testJob, "scripts/cancel.lua"); string(got) != text || err != nil {
			t.Errorf("%s %v", got, err)
		}
	}
	info, err := os.Stat(filepath.Join(j.Folder(), "files", "scripts", "cancel.lua"))
	if err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	for _, bad := range []string{"", ".", "..", "../x", "/x", "a/../../x", "a//b", "a/"} {
		if err := j.StoreFile(bad, nil); primitives.KindOf(err) != primitives.Invalid {
			t.Error(bad, err)
		}
	}
	if _, err := Stored(dir, testJob, "none"); primitives.KindOf(err) != primitives.Invalid {
		t.Error(err)
	}
}

func TestIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 7, 31, 16, 25, 30, 42_999_999, time.FixedZone("x", 7200))
	id, err := NewID(at, bytes.NewReader([]byte{0x9f, 0x3a, 0x61, 0xc2}))
	if id != exampleID || err != nil || !ValidID(id) {
		t.Error(id, err)
	}
	last := ""
	for i := range 100 {
		id, err := NewID(at.Add(time.Duration(i)*time.Millisecond), nil)
		if err != nil || id <= last {
			t.Fatal(id, last, err)
		}
		last = id
	}
	if _, err := NewID(at, bytes.NewReader(nil)); err == nil {
		t.Error("an id without random bytes")
	}
}

func TestHistory(t *testing.T) {
	key := Key("stack.destroy", "qemu:///system web 1", 2)
	if key != "stack.destroy 2 qemu:///system web 1" {
		t.Error(key)
	}
	h := NewHistory([]Entry{
		{Seq: 1, Kind: Intent, Key: "a"}, {Seq: 2, Kind: Intent, Key: "b"}, {Seq: 3, Kind: Outcome, Key: "a"},
		{Seq: 4, Kind: Keep, Key: "k", Data: map[string]any{"n": 1}}, {Seq: 5, Kind: Keep, Key: "k", Data: map[string]any{"n": 2}},
		{Seq: 6, Kind: Intent, Key: "c"}, {Seq: 7, Kind: Outcome, Key: "c"}, {Seq: 8, Kind: Intent, Key: "c"},
		{Seq: 9, Kind: Intent, Key: "x", Host: "lab01"}, {Seq: 10, Kind: Keep, Key: "k", Host: "lab01"}, // told by another machine
	}, "")
	if _, ended := h.Outcome("c"); ended {
		t.Error("c was meant again, and how that ended is not known")
	}
	if kept, ok := h.Kept("k"); !ok || kept.Data["n"] != 2 {
		t.Error(kept)
	}
	if _, ok := h.Outcome("a"); !ok {
		t.Error("a has ended")
	}
	if _, ok := h.Intent("x"); ok {
		t.Error("x was never meant")
	}
}

func TestStateDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "relative")
	if dir, err := StateDir(); dir != filepath.Join(home, ".local/state/ctys/jobs") || err != nil {
		t.Error(dir, err)
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "s"))
	dir, err := StateDir()
	if dir != filepath.Join(home, "s/ctys/jobs") || err != nil {
		t.Error(dir, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Error("the trial left", left)
	}
	os.WriteFile(filepath.Join(home, "file"), nil, 0o600)
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "file"))
	if _, err := StateDir(); primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "give another with --journal") {
		t.Error(err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if os.Geteuid() == 0 && stateBase() != systemState {
		t.Error(stateBase())
	}
}
