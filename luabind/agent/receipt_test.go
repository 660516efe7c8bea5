package agent

import (
	"path/filepath"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
)

// What an agent asks to be kept is on the desk's disk before the agent goes on,
// under the desk's name for the machine.
func TestWhatIsKeptIsOnDiskBeforeTheReceipt(t *testing.T) {
	kept := &journal.Machines{Dir: filepath.Join(t.TempDir(), "machines"), Clock: primitives.SystemClock{}}
	w := newWorld(t, "", DeskOptions{Machines: kept})
	h := &heard{hook: func(event luabind.Event) {
		if record, _, err := kept.Kept("lab01"); event.Text == "has its receipt" && (err != nil || record["mac"] != "52:54:00:00:00:01") {
			t.Errorf("kept %v, %v", record, err)
		}
	}}
	value, err := run(t, w, w.order("lab01", `function M.here()
		local told = journal.receipt{deadline = 5, keep = {mac = "52:54:00:00:00:01"}, machine = "another"}
		step.note("has its receipt")
		return told
	end`), h)
	if err != nil || value != true || len(h.texts(luabind.KindNote)) != 1 {
		t.Fatal(value, err)
	}
	if record, _, err := kept.Kept("another"); record != nil || err != nil {
		t.Errorf("a machine has chosen a name: %v, %v", record, err)
	}
}

func TestNoReceiptIsGivenForWhatIsNotKept(t *testing.T) {
	for what, kept := range map[string]*journal.Machines{"no place": nil, "a place that cannot be written": {Dir: "/proc/none/of/that", Clock: primitives.SystemClock{}}} {
		w := newWorld(t, "", DeskOptions{Machines: kept})
		h := &heard{}
		value, err := run(t, w, w.order("lab01", `function M.here() return journal.receipt{deadline = 0.2, keep = {mac = "x"}} end`), h)
		if err != nil || value != false {
			t.Errorf("%s: %v, %v", what, value, err)
		}
		if warned := h.texts(luabind.KindWarning); len(warned) != 1 || !strings.Contains(warned[0], "what a later run needs to know of lab01 is not kept") {
			t.Errorf("%s: %q", what, warned)
		}
	}
}

func TestNoReceiptIsGivenForWhatIsTooLongForALine(t *testing.T) {
	w := newWorld(t, "", DeskOptions{Machines: &journal.Machines{Dir: t.TempDir(), Clock: primitives.SystemClock{}}})
	h := &heard{}
	value, err := run(t, w, w.order("lab01", `function M.here() return journal.receipt{deadline = 0.2, keep = {long = ("x"):rep(5 * 2^20)}} end`), h)
	if err != nil || value != false {
		t.Error(value, err)
	}
	if warned := h.texts(luabind.KindWarning); len(warned) != 1 || !strings.Contains(warned[0], "too long to be passed on") {
		t.Errorf("%q", warned)
	}
}
