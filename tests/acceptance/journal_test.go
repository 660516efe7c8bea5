//go:build linux

package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is what a test reads of a line of the journal, decoded without ctys:
// the file's form is a promise to others.
type entry struct {
	Seq    int            `json:"seq"`
	Kind   string         `json:"kind"`
	Host   string         `json:"host"`
	Op     string         `json:"op"`
	Object string         `json:"object"`
	Effect string         `json:"effect"`
	State  string         `json:"state"`
	Data   map[string]any `json:"data"`
	Error  *struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	} `json:"error"`
}

// journals are the files of all runs below a home, the oldest first: the name
// of a run begins with its time.
func journals(t testing.TB, home string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(home, ".local/state/ctys/jobs/*/journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// lastJournal reads the journal of the last run.
func (o *operator) lastJournal(t testing.TB) []entry {
	t.Helper()
	files := journals(t, o.home)
	if len(files) == 0 {
		t.Fatal("no run has kept a journal")
	}
	return readJournal(t, files[len(files)-1])
}

// readJournal reads every whole line; that of a run that goes on may lack the
// end of its last one.
func readJournal(t testing.TB, file string) []entry {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	lines := strings.SplitAfter(string(text), "\n")
	for _, line := range lines[:len(lines)-1] {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v in %q", file, err, line)
		}
		if e.Seq != len(entries)+1 {
			t.Fatalf("%s: entry %d has the number %d", file, len(entries)+1, e.Seq)
		}
		entries = append(entries, e)
	}
	return entries
}

// about picks the entries of one kind and verb about an object that has words
// in its name.
func about(entries []entry, kind, op, object string) []entry {
	var found []entry
	for _, e := range entries {
		if e.Kind == kind && e.Op == op && strings.Contains(e.Object, object) {
			found = append(found, e)
		}
	}
	return found
}
