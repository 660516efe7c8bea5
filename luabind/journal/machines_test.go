package journal

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ctys/primitives"
)

func machines(t *testing.T) *Machines {
	return &Machines{Dir: filepath.Join(t.TempDir(), "ctys", "machines"), Clock: primitives.SystemClock{}}
}

func TestWhatIsKeptOfAMachineIsThereInTheNextRun(t *testing.T) {
	m := machines(t)
	if record, _, err := m.Kept("lab01"); record != nil || err != nil {
		t.Fatalf("nothing was kept, and there is %v, %v", record, err)
	}
	before := m.Clock.Now()
	for _, mac := range []string{"52:54:00:00:00:01", "52:54:00:00:00:02"} {
		if err := m.Keep("lab01", map[string]any{"way_back": map[string]any{"mac": mac, "port": 9.0}, "ran": []any{"web1"}}); err != nil {
			t.Fatal(err)
		}
	}
	record, at, err := m.Kept("lab01")
	want := map[string]any{"way_back": map[string]any{"mac": "52:54:00:00:00:02", "port": 9.0}, "ran": []any{"web1"}}
	if err != nil || !reflect.DeepEqual(record, want) || at.Before(before) {
		t.Errorf("%v at %s, %v", record, at, err)
	}
	info, err := os.Stat(filepath.Join(m.Dir, "lab01.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(m.Dir, ".*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestNoNameOfAMachineLeadsOutOfTheFolder(t *testing.T) {
	m := machines(t)
	names := []string{"..", ".", ".hidden", "../../x", "/etc/passwd", "a/b", `a\b`, "a\x00b", "a%2Fb", "fe80::1%eth0", "lab01.example.org", "Grüße", "-x"}
	for _, name := range names {
		if err := m.Keep(name, map[string]any{"of": name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range names {
		if record, _, err := m.Kept(name); err != nil || record["of"] != name {
			t.Errorf("%q: %v, %v", name, record, err)
		}
	}
	files, err := os.ReadDir(m.Dir)
	if err != nil || len(files) != len(names) {
		t.Errorf("%d files, want %d: %v", len(files), len(names), err)
	}
	beside, err := os.ReadDir(filepath.Dir(m.Dir))
	if err != nil || len(beside) != 1 {
		t.Errorf("beside the folder: %v, %v", beside, err)
	}
	for _, name := range []string{"", strings.Repeat("x", 300), strings.Repeat("ü", 50)} {
		if err := m.Keep(name, map[string]any{}); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%q: %v", name, err)
		}
		if record, _, err := m.Kept(name); record != nil || err != nil {
			t.Errorf("%q: %v, %v", name, record, err)
		}
	}
}

func TestADamagedRecordIsInvalidAndNamed(t *testing.T) {
	m := machines(t)
	if err := m.Keep("lab01", map[string]any{"ran": []any{}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.Dir, "lab01.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"torn":          string(whole[:len(whole)/2]),
		"empty":         "",
		"no record":     `{"version": 1, "machine": "lab01"}`,
		"a list":        `[1]`,
		"of another":    strings.Replace(string(whole), "lab01", "lab02", 1),
		"later":         strings.Replace(string(whole), `"version": 1`, `"version": 2`, 1),
		"far too long":  string(whole) + strings.Repeat(" ", maxMachine+1),
		"a wrong time":  strings.Replace(string(whole), `"kept_at": "`, `"kept_at": "x`, 1),
		"a list within": `{"version": 1, "machine": "lab01", "record": []}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		record, _, err := m.Kept("lab01")
		if record != nil || primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", what, record, err)
		}
	}
}

func TestWhatCannotBeKeptIsAnError(t *testing.T) {
	m := machines(t)
	m.Dir = "/proc/none/of/that"
	if err := m.Keep("lab01", map[string]any{}); err == nil {
		t.Error("kept in /proc")
	}
	m = machines(t)
	if err := m.Keep("lab01", map[string]any{"long": strings.Repeat("x", maxMachine)}); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("%v", err)
	}
}

func TestMachinesDir(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	for state, want := range map[string]string{
		"/var/state": "/var/state/ctys/machines", "relative": "/home/somebody/.local/state/ctys/machines", "": "/home/somebody/.local/state/ctys/machines",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		if dir, err := MachinesDir(); dir != want || err != nil {
			t.Errorf("XDG_STATE_HOME=%q: %q, %v", state, dir, err)
		}
	}
}

// A file that somebody else has written never crashes, and what is taken is what
// Keep writes.
func FuzzMachine(f *testing.F) {
	f.Add([]byte(`{"version": 1, "machine": "lab01", "kept_at": "2026-01-02T03:04:05Z", "record": {"way_back": {"mac": "52:54:00:00:00:01"}}}`))
	f.Add([]byte(`{"version": 2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseMachine(text, "lab01")
		if err == nil && (file.Record == nil || file.Machine != "lab01" || file.Version != machinesVersion) {
			t.Errorf("%+v was taken", file)
		}
	})
}

// What a machine that went down had reported stands apart from what it asked to be
// kept.
func TestAReceiptSaysWhatIsReportedAndWhatIsKept(t *testing.T) {
	report, keep := map[string]any{"exit": 0.0}, map[string]any{"mac": "52:54:00:00:00:01"}
	history := NewHistory([]Entry{
		{Kind: Receipt, Host: "lab01", Data: ReceiptData(report, keep)},
		{Kind: Intent, Host: "lab01", Op: "shutdown.apply"},
		{Kind: Outcome, Host: "lab01", Op: "shutdown.apply"},
	}, "")
	said, down := history.Farewell("lab01")
	if !down || !reflect.DeepEqual(said.Report, report) {
		t.Errorf("%+v, %v", said, down)
	}
	for _, data := range []map[string]any{nil, {}, {"report": 1, "keep": []any{}}} {
		if report, keep := (Entry{Data: data}).Receipt(); report != nil || keep != nil {
			t.Errorf("%v: %v, %v", data, report, keep)
		}
	}
}
