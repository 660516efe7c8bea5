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

// A guest that stays on does not lose what it needs unasked.
func TestWhatIsNeededByAGuestThatStaysOn(t *testing.T) {
	for _, test := range []struct {
		subopts string
		prepare func(*scene)
		exit    int
		off     bool
	}{
		{"l:db1,poweroff:0", func(*scene) {}, 3, false},
		{"l:db1,suspend", func(*scene) {}, 3, false},
		{"l:db1,force,poweroff:0", func(*scene) {}, 0, true},
		{"l:db1,poweroff:0", func(s *scene) { s.yes = true }, 0, true},
		{"l:db1,poweroff:0", func(s *scene) { s.plan = true }, 0, false},
		{"l:db1,poweroff:0", func(s *scene) { s.world.PowerOff("web1") }, 0, true},
		{"l:web1,poweroff:0", func(*scene) {}, 0, false},
		{"all,poweroff:0", func(*scene) {}, 0, true},
	} {
		s := farm(t, "db1", "web1")
		s.rows["web1"] = `after = { "db1" }`
		test.prepare(s)
		s.exits(s.cancel("kvm", test.subopts, "host01"), test.exit)
		if test.off {
			s.off("db1")
		} else {
			s.up("db1")
		}
		if test.exit == 3 || s.plan || s.yes {
			s.told("the request leaves on: web1, which needs db1")
		}
	}
}

// after orders the guests of one machine. What it says of others is told.
func TestWhatNeedsAGuestElsewhere(t *testing.T) {
	s := rack(t)
	s.rows["web1"], s.rows["app1"] = `after = { "mail1" }`, `after = { "web1" }`
	s.exits(s.cancel("pm", "poweroff:0", "lab01", "lab03"), 0)
	s.told("these do not wait for each other: ", "web1 after mail1", "app1 after web1")
	s.off("web1", "app1", "mail1")
}
