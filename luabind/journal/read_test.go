package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
)

const (
	line1 = `{"seq":1,"at":"2026-07-31T14:25:30Z","kind":"request","job":"j","data":{"targets":["lab01"]}}` + "\n"
	line2 = `{"seq":2,"at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n"
)

// Each text is the second line of a file whose first is well.
func TestMalformed(t *testing.T) {
	for _, test := range []struct{ name, second, want string }{
		{"empty line", "\n", "the line is no entry: it ends too early"},
		{"blank line", "   \n", "the line is no entry: it ends too early"},
		{"no JSON", "hello\n", "the line is no entry: invalid character 'h'"},
		{"cut", `{"seq":2,"at":"2026-07` + "\n", "the line is no entry: it ends too early"},
		{"array", "[]\n", "the line is no entry: it is no JSON object but a JSON array"},
		{"null", "null\n", "the line is no entry: it is no JSON object"},
		{"text", `"x"` + "\n", "the line is no entry: it is no JSON object but a JSON string"},
		{"number", "7\n", "the line is no entry: it is no JSON object but a JSON number"},
		{"two entries", strings.TrimSpace(line2) + line2, "the line has more than one entry"},
		{"rubbish behind", strings.TrimSpace(line2) + " x\n", "the line has more than one entry"},
		{"no number", `{"at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n", "the entry has number 0 where 2 is due"},
		{"gap", `{"seq":3,"at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n", "the entry has number 3 where 2 is due: lines are missing, doubled or out of order"},
		{"doubled", line1, "the entry has number 1 where 2 is due"},
		{"negative", `{"seq":-2,"at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n", `the line is no entry: the field "seq" cannot be a JSON number -2`},
		{"fraction", `{"seq":2.5,"at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n", `the line is no entry: the field "seq" cannot be a JSON number 2.5`},
		{"number as text", `{"seq":"2","at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n", `the line is no entry: the field "seq" cannot be a JSON string`},
		{"huge number", `{"seq":99999999999999999999,"at":"2026-07-31T14:25:31Z","kind":"end"}` + "\n", `the line is no entry: the field "seq" cannot be a JSON number 99999999999999999999`},
		{"no time", `{"seq":2,"kind":"end"}` + "\n", "the entry has no time"},
		{"bad time", `{"seq":2,"at":"yesterday","kind":"end"}` + "\n", "the line is no entry: parsing time"},
		{"time as number", `{"seq":2,"at":7,"kind":"end"}` + "\n", "the line is no entry: "},
		{"no kind", `{"seq":2,"at":"2026-07-31T14:25:31Z"}` + "\n", `the entry is of kind "", which this ctys does not know`},
		{"unknown kind", `{"seq":2,"at":"2026-07-31T14:25:31Z","kind":"maybe"}` + "\n", `the entry is of kind "maybe", which this ctys does not know`},
		{"kind as number", `{"seq":2,"at":"2026-07-31T14:25:31Z","kind":1}` + "\n", `the line is no entry: the field "kind" cannot be a JSON number`},
		{"unknown field", `{"seq":2,"at":"2026-07-31T14:25:31Z","kind":"end","x":1}` + "\n", `the line is no entry: unknown field "x"`},
		{"key as list", `{"seq":2,"at":"2026-07-31T14:25:31Z","kind":"end","key":[]}` + "\n", `the line is no entry: the field "key" cannot be a JSON array`},
		{"no UTF-8", "{\"seq\":2,\"at\":\"2026-07-31T14:25:31Z\",\"kind\":\"end\",\"op\":\"\xff\"}\n", "the line is not UTF-8"},
		{"zeros in the middle", "\x00\x00\x00\n" + line2, "zeros stand in the middle of the file"},
		{"zeros, then text", "\x00\x00x\n", "zeros stand in the middle of the file"},
		{"too long", strings.Repeat("x", maxLine+1) + "\n", "the line is longer than 16777216 bytes"},
		{"merge mark", "<<<<<<< ours\n", "the line is no entry: invalid character '<'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), FileName)
			if err := os.WriteFile(path, []byte(line1+test.second+line2), 0o600); err != nil {
				t.Fatal(err)
			}
			log, err := Read(path)
			if err == nil || !strings.Contains(err.Error(), path+":2: "+test.want) || primitives.KindOf(err) != primitives.Invalid {
				t.Errorf("%v, want %s", err, test.want)
			}
			if len(log.Entries) != 1 {
				t.Errorf("%d entries before it", len(log.Entries))
			}
		})
	}
}

func TestATornLastLineIsToldAndTolerated(t *testing.T) {
	for torn, want := range map[string]int64{
		"":                        0,
		"{":                       1,
		`{"seq":2,"at":"2026-07`:  22,
		strings.TrimSpace(line2):  int64(len(line2) - 1),
		"\x00\x00\x00":            3,
		"\x00\x00\n\x00\x00":      5,
		strings.Repeat("y", 9000): 9000,
	} {
		log, err := read("x", strings.NewReader(line1+torn))
		if err != nil || len(log.Entries) != 1 || log.Torn != want || log.size != int64(len(line1)) {
			t.Errorf("%q: %d entries, torn %d, %v", torn, len(log.Entries), log.Torn, err)
		}
	}
	if log, err := read("x", strings.NewReader("")); err != nil || len(log.Entries) != 0 {
		t.Error(log, err)
	}
	if _, err := Read("/no/such/journal"); primitives.KindOf(err) != primitives.Invalid {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{"", line1, line1 + line2, line1 + "{", line1 + "\x00\x00", "\x00\n\x00", line1 + "\n", "null\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		log, err := read("x", bytes.NewReader(text))
		for i, entry := range log.Entries {
			if entry.Seq != uint64(i)+1 || !kinds[entry.Kind] {
				t.Fatalf("%+v at %d", entry, i)
			}
		}
		if err != nil {
			if primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), fmt.Sprintf("x:%d: ", len(log.Entries)+1)) {
				t.Fatal(err)
			}
			return
		}
		if log.size+log.Torn != int64(len(text)) {
			t.Fatalf("%d whole and %d torn of %d bytes", log.size, log.Torn, len(text))
		}
		// What is whole stays readable without the torn end.
		again, err := read("x", bytes.NewReader(text[:log.size]))
		if err != nil || again.Torn != 0 || len(again.Entries) != len(log.Entries) {
			t.Fatalf("%d entries, torn %d, %v", len(again.Entries), again.Torn, err)
		}
	})
}

func followInto(ctx context.Context, path string, from uint64) (<-chan Entry, <-chan error) {
	seen, ended := make(chan Entry, 1000), make(chan error, 1)
	go func() {
		ended <- Follow(ctx, path, from, func(e Entry) { seen <- e })
	}()
	return seen, ended
}

func TestFollow(t *testing.T) {
	j, err := Create(t.TempDir(), testJob, primitives.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(j.Folder(), FileName)
	mustAppend(t, j, Entry{Kind: Request})
	if err := j.Sync(bg, mustAppend(t, j, note("before"))); err != nil {
		t.Fatal(err)
	}
	seen, ended := followInto(bg, path, 2)
	if got := <-seen; got.Seq != 2 {
		t.Error(got)
	}
	for i := range 50 {
		mustAppend(t, j, note("later")) // without Sync: a follower sees it all the same
		if got := <-seen; got.Seq != uint64(i)+3 {
			t.Fatal(got)
		}
	}
	mustAppend(t, j, Entry{Kind: End})
	if got := <-seen; got.Kind != End {
		t.Error(got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	j.Close()
	seen, ended = followInto(bg, path, 53)
	if err := <-ended; err != nil || len(seen) != 1 {
		t.Error(err, len(seen))
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	os.WriteFile(path, []byte(line1), 0o600)
	ctx, cancel := context.WithCancel(bg)
	seen, ended := followInto(ctx, path, 1)
	<-seen
	cancel()
	if err := <-ended; primitives.KindOf(err) != primitives.Canceled {
		t.Error(err)
	}
	if err := Follow(bg, path+"x", 1, nil); primitives.KindOf(err) != primitives.Invalid {
		t.Error(err)
	}
}

// A run that was killed long ago is told whole, however much it has written.
func TestFollowUntilTellsAllThatWasWritten(t *testing.T) {
	dir := t.TempDir()
	j, err := Create(dir, exampleID, primitives.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := j.Append(Entry{Kind: Note}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	told := 0
	if err := FollowUntil(t.Context(), over, filepath.Join(dir, exampleID, FileName), 1, func(Entry) { told++ }); err != nil || told != 1000 {
		t.Errorf("told %d of 1000, %v", told, err)
	}
}

func TestFollowWaitsForTheRestOfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seen, ended := followInto(bg, path, 1)
	for _, part := range []string{line1[:20], line1[20:], "{torn"} {
		file.WriteString(part)
	}
	if got := <-seen; got.Seq != 1 {
		t.Error(got)
	}
	file.Truncate(int64(len(line1))) // as Reopen does
	file.WriteString(line2)
	if err := <-ended; err != nil || (<-seen).Seq != 2 {
		t.Error(err)
	}
	os.WriteFile(path, []byte(line1+"x\n"), 0o600)
	if err := Follow(bg, path, 1, func(Entry) {}); primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), path+":2: ") {
		t.Error(err)
	}
}

func TestPollerSeesChangesToo(t *testing.T) {
	ctx, cancel := context.WithTimeout(bg, 5*time.Second)
	defer cancel()
	if err := (poller{}).wait(ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if err := (poller{}).wait(ctx); err == nil {
		t.Error("it waits on after its context")
	}
}

func TestManyFollowers(t *testing.T) {
	j, err := Create(t.TempDir(), testJob, primitives.SystemClock{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Add(1)
		go func() {
			defer all.Done()
			n := 0
			if err := Follow(bg, filepath.Join(j.Folder(), FileName), 1, func(Entry) { n++ }); err != nil || n != 201 {
				t.Error(n, err)
			}
		}()
	}
	for range 200 {
		mustAppend(t, j, note("x"))
	}
	mustAppend(t, j, Entry{Kind: End})
	all.Wait()
	j.Close()
}
