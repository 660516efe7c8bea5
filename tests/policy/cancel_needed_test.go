package policy

import (
	"testing"
)

// A hypervisor that does not answer may carry what needs a guest of another one: what
// nobody knows to be off keeps that guest from being touched.
func TestWhatNeedsAGuestAndIsNotSeenKeepsIt(t *testing.T) {
	for _, force := range []string{"", "self,force,"} {
		s := silentLXC(t)
		s.rows["ct1"] = `after = { "web1" }`
		exit := s.cancel("pm", force+"poweroff:0", "lab01")
		if force != "" {
			s.off("web1", "lab01")
			continue
		}
		s.exits(exit, 1)
		s.told("not asked: ct1, which needs it, is on a hypervisor that does not answer")
		s.up("web1", "ct1")
	}
}

// Guests whose turn had not come when the run is stopped were not asked, and it says so.
func TestAStoppedRunTellsWhoWasNotAsked(t *testing.T) {
	for rows, prepare := range map[string]func(*scene){
		"after": func(s *scene) { s.rows["web1"] = `after = { "db1" }` },
		"limit": func(s *scene) { s.site["limit_per_host"] = 1.0 },
	} {
		s := farm(t, "web1", "db1")
		prepare(s)
		s.stopAt = "web1"
		if exit, err := s.form("pm", "cancel", "poweroff:0", "host01"); err == nil {
			t.Fatalf("%s: exit %d of a run that was stopped\n%s", rows, exit, s.story())
		}
		s.told("not asked: the run was stopped before it was its turn")
		if s.world.State("db1").Presses > 0 {
			t.Errorf("%s: db1 was asked", rows)
		}
	}
}

// Names that cross (one guest is called as another one's row is) mix up nobody: the
// names of after are rows.
func TestLabelsThatCrossTheNamesOfRows(t *testing.T) {
	s := farm(t, "a", "b", "c")
	for name, row := range map[string]string{"a": `label = "x"`, "b": `label = "a", after = { "c" }`, "c": `after = { "a" }`} {
		s.rows[name] = row
	}
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	s.told("taken down in this order: b, then c, then a")
}
