package luabind

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/luabind/journal"
	"ctys/primitives"
)

// A run whose caller is here keeps what it learns of this machine itself.
func TestReceiptOfARunThatIsHere(t *testing.T) {
	kept := &journal.Machines{Dir: filepath.Join(t.TempDir(), "machines"), Clock: primitives.SystemClock{}}
	var warned []string
	run := func(options Options, source string) string {
		t.Helper()
		options.Machines = kept
		options.Events = func(event Event) {
			if event.Kind == KindWarning {
				warned = append(warned, event.Text)
			}
		}
		result, err := New(Capabilities{}, options).Run(context.Background(), Script{Name: "x.lua", Source: source})
		if err != nil {
			t.Fatal(err)
		}
		words := make([]string, len(result.Values))
		for i, value := range result.Values {
			words[i] = value.String()
		}
		return strings.Join(words, " ")
	}
	const receipt = `return journal.receipt{keep = {way_back = {mac = "52:54:00:00:00:01"}}}`
	const ask = `local k = inventory.kept("localhost"); return k and k.way_back.mac or "nothing", k and k.kept_at > 1e9 or false`

	if got := run(Options{Plan: true}, receipt); got != "true" {
		t.Errorf("a plan: %s", got)
	}
	if got := run(Options{}, ask); got != "nothing false" {
		t.Errorf("after a plan: %s", got)
	}
	if got := run(Options{}, receipt); got != "true" {
		t.Errorf("kept: %s", got)
	}
	if got := run(Options{}, ask); got != "52:54:00:00:00:01 true" {
		t.Errorf("a later run: %s", got)
	}
	if got := run(Options{}, `local ok, e = pcall(journal.receipt, {keep = {}, machine = "lab07.example.org"}); return ok, e.kind`); got != "false denied" {
		t.Errorf("another machine: %s", got)
	}
	if len(warned) > 0 {
		t.Errorf("warned %q", warned)
	}
	if err := os.WriteFile(filepath.Join(kept.Dir, "localhost.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(Options{}, ask); got != "nothing false" || len(warned) != 1 || !strings.Contains(warned[0], "localhost.json is damaged") {
		t.Errorf("damaged: %s, warned %q", got, warned)
	}
	kept.Dir, warned = "/proc/none/of/that", nil
	if got := run(Options{}, receipt); got != "false" || len(warned) != 1 || !strings.Contains(warned[0], "is not kept") {
		t.Errorf("no folder: %s, warned %q", got, warned)
	}
}
