package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// lastRecord is a journal whose run is killed when a record has been written:
// from there on it changes nothing, and nothing more of it is heard.
type lastRecord struct {
	s       *scene
	at      int    // 0: never
	full    string // the disk is full when this operation is to be written down
	entries []luabind.Event
	stop    context.CancelFunc
}

// Append is luabind.Recorder.
func (r *lastRecord) Append(event luabind.Event) (uint64, error) {
	if r.at > 0 && len(r.entries) >= r.at {
		return uint64(r.at), nil
	}
	if r.full != "" && event.Op == r.full && event.Kind == luabind.KindIntent {
		return 0, primitives.Errorf(primitives.Internal, "journal.append", "", "no space left on device")
	}
	event.Seq = uint64(len(r.entries) + 1)
	r.entries = append(r.entries, event)
	if len(r.entries) == r.at {
		r.s.world.Abandon()
		r.stop()
	}
	return event.Seq, nil
}

// Sync is luabind.Recorder.
func (r *lastRecord) Sync(context.Context, uint64) error { return nil }

// history is what a resumed run finds on disk.
func (r *lastRecord) history(t testing.TB) *journal.History {
	t.Helper()
	text, err := json.Marshal(r.entries)
	var read []luabind.Event
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return journal.NewHistory(read, "")
}

// killedAt runs a CANCEL that is killed at a record, then resumes it in the same
// world; ended tells that the first run ended before that record.
func killedAt(t *testing.T, record int, subopts, target string, world func() *scene) (s *scene, exit int, ended bool) {
	s = world()
	s.journal = &lastRecord{s: s, at: record}
	exit, _ = s.form("pm", "cancel", subopts, target)
	if len(s.journal.entries) < record {
		return s, exit, true
	}
	first := s.journal
	s.history, s.journal = first.history(t), &lastRecord{s: s}
	exit, err := s.form("pm", "cancel", subopts, target)
	if err != nil {
		t.Fatalf("resumed after record %d (%s %s): %v\n%s", record, first.entries[record-1].Kind, first.entries[record-1].Op, err, s.story())
	}
	return s, exit, false
}

// atMostOnce are the calls that must not happen twice to one object.
var atMostOnce = map[string]bool{"stack.destroy": true, "stack.reset": true, "stack.reboot": true, "stack.managed-save": true, "shutdown.do": true, "ipmi.cycle": true, "ipmi.reset": true}

func doneTwice(s *scene) string {
	seen := map[string]int{}
	for _, entry := range s.world.Log() {
		if atMostOnce[entry.Call] && !strings.Contains(entry.Result, "killed before") {
			if seen[entry.By+entry.Call+entry.Object]++; seen[entry.By+entry.Call+entry.Object] > 1 {
				return entry.Call + " " + entry.Object
			}
		}
	}
	return ""
}

// Wherever a run is killed, the resumed one reaches the goal, and does nothing
// twice that must be done once.
func TestResumedAfterEveryRecord(t *testing.T) {
	for _, test := range []struct {
		name, subopts string
		prepare       func(*scene)
		off, up       []string
		exits         string // accepted exit codes
	}{
		{"power off", "self,poweroff:0", func(*scene) {}, []string{"lab01", "web1", "ct1", "db1", "app1"}, nil, "0"},
		{"announced", "self,poweroff:30", func(*scene) {}, []string{"lab01", "web1", "ct1", "db1", "app1"}, nil, "0"},
		{"stack alone", "poweroff:0", func(*scene) {}, []string{"web1", "ct1", "db1", "app1"}, []string{"lab01"}, "0"},
		{"one is destroyed", "self,poweroff:0,timeout:60", func(s *scene) { s.world.HangInShutdown("db1", true) }, []string{"lab01", "web1", "ct1", "db1", "app1"}, nil, "0"},
		{"reboot", "self,reboot", func(*scene) {}, nil, []string{"lab01"}, "01"},
		{"guests reboot", "reboot", func(*scene) {}, nil, []string{"lab01"}, "01"},
		{"in order", "self,poweroff:0", func(s *scene) {
			s.rows["web1"], s.rows["db1"], s.rows["ct1"] = `after = { "ct1" }`, `after = { "app1" }`, "stage = 1"
		}, []string{"lab01", "web1", "ct1", "db1", "app1"}, nil, "0"},
		{"one at a time", "self,poweroff:0", func(s *scene) { s.site["limit_per_host"] = 1.0 }, []string{"lab01", "web1", "ct1", "db1", "app1"}, nil, "0"},
		{"guests reboot in order", "reboot", func(s *scene) {
			s.rows["web1"], s.rows["db1"] = `after = { "ct1" }`, `after = { "app1" }`
		}, nil, []string{"lab01"}, "01"},
		{"force", "self,force,poweroff:0", func(*scene) {}, []string{"lab01"}, nil, "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for record := 1; ; record++ {
				s, exit, ended := killedAt(t, record, test.subopts, "lab01", func() *scene {
					s := rack(t)
					test.prepare(s)
					return s
				})
				if ended {
					if record < 10 {
						t.Errorf("the run left %d records", record-1)
					}
					return
				}
				where := fmt.Sprintf("killed after record %d", record)
				if !strings.Contains(test.exits, fmt.Sprint(exit)) {
					t.Fatalf("%s: exit %d\n%s", where, exit, s.story())
				}
				if exit == 1 { // the one thing that nobody can know any more
					s.told("before it said what ran in it")
				} else if strings.Contains(test.subopts, "reboot") {
					s.powered("web1", "ct1", "db1", "app1")
				}
				for _, name := range test.off {
					if s.world.State(name).Phase != sim.Off {
						t.Fatalf("%s: %s is %s\n%s", where, name, s.world.State(name).Phase, s.story())
					}
				}
				s.up(test.up...)
				if !strings.Contains(test.subopts, "force") {
					s.nobodyLost()
				}
				if twice := doneTwice(s); twice != "" {
					t.Fatalf("%s: twice: %s\n%s", where, twice, s.story())
				}
				if t.Failed() {
					t.Fatal(where)
				}
				s.world.Close()
			}
		})
	}
}

// The same of a machine that is armed before it goes, where that takes its bridge
// apart: it is off in the end, its way back is kept, and a packet brings it back.
func TestAWayBackIsResumedAfterEveryRecord(t *testing.T) {
	for record := 1; ; record++ {
		s, exit, ended := killedAt(t, record, "self,wol,poweroff:5", "host01", func() *scene { return stubborn(t) })
		if ended {
			if record < 20 {
				t.Errorf("the run left %d records", record-1)
			}
			return
		}
		if exit != 0 || !s.armed("host01") || s.wayBack("host01") == nil || doneTwice(s) != "" {
			t.Errorf("killed after record %d: exit %d, armed %v, kept %v, twice %q", record, exit, s.armed("host01"), s.wayBack("host01"), doneTwice(s))
		}
		s.off("host01", "web1")
		s.nobodyLost()
		s.history, s.journal, s.events = nil, nil, nil
		if woken := s.create("pm", "wol,l:host01"); woken != 0 || t.Failed() {
			t.Fatalf("killed after record %d: exit %d of CREATE\n%s", record, woken, s.story())
		}
		s.world.Close()
	}
}
