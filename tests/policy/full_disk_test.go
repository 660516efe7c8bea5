package policy

import (
	"strings"
	"testing"
	"time"
)

// Where it cannot be written down that a guest is to be destroyed, it is not: the
// run ends at once, and says that it was not asked.
func TestADestroyThatCannotBeWrittenDownIsNotDone(t *testing.T) {
	s := farm(t, "web1")
	s.rows["web1"] = `deadline = 20, at_deadline = "destroy"`
	s.world.IgnoreACPI("web1", true)
	s.desk, s.journal = "host01", &lastRecord{s: s, full: "stack.destroy"} // what runs elsewhere has its own
	s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 1)
	s.up("web1", "host01")
	s.told("not asked: nothing was done", "no space left on device")
	if story := s.story(); strings.Contains(story, "cut off") || strings.Contains(story, "not repeated") {
		t.Errorf("it says what is not true\n%s", story)
	}
	if last := s.clock.Now().Sub(time.Unix(1_700_000_000, 0)); last > 30*time.Second {
		t.Errorf("it went on until %s", last)
	}
}
