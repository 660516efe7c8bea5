package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// stacked is a host with guests that nothing but CREATE starts again: db1, web1 and
// web2 which need it, and box1 with in1 and in2 in it.
func stacked(t testing.TB) *scene {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(5, clock)
		host := func(name, parent, address string) sim.Machine {
			return sim.Machine{Name: name, Parent: parent, Address: address, Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 2 * time.Second, Enterable: true, WakesOnLAN: parent == ""}
		}
		w.Add(host("host01", "", "10.1.0.1"))
		for i, name := range []string{"db1", "web1", "web2", "box1"} {
			w.Add(host(name, "host01", fmt.Sprintf("10.1.0.1%d", i)))
		}
		w.Add(host("in1", "box1", "10.1.0.21"))
		w.Add(host("in2", "box1", "10.1.0.22"))
		return w
	})
	s.rows["db1"] = `ready = "ssh"`
	s.rows["web1"] = `after = { "db1" }`
	s.rows["web2"] = `after = { "db1" }`
	s.rows["in2"] = `after = { "in1" }`
	return s
}

var stackedGuests = []string{"db1", "web1", "web2", "box1", "in1", "in2"}

// ran is the names of what the desk has kept as still to be brought back.
func (s *scene) ran(name string) []string {
	s.t.Helper()
	record, _, err := s.kept.Kept(name)
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	var add func(list any)
	add = func(list any) {
		guests, _ := list.([]any)
		for _, guest := range guests {
			fields, _ := guest.(map[string]any)
			names = append(names, fmt.Sprint(fields["name"]))
			add(fields["inside"])
		}
	}
	add(record["ran"])
	slices.Sort(names)
	return names
}

// started is when each machine was last powered on.
func (s *scene) phases(to sim.Phase) map[string]time.Duration {
	at := map[string]time.Duration{}
	for _, entry := range s.world.Log() {
		if entry.Machine != "" && entry.To == to {
			at[entry.Machine] = entry.At
		}
	}
	return at
}

func (s *scene) starts() map[string]int {
	count := map[string]int{}
	for _, entry := range s.world.Log() {
		if entry.Call == "stack.start" {
			for _, name := range stackedGuests {
				if m, _ := s.world.Machine(name); strings.Contains(entry.Object, m.UUID) || strings.HasSuffix(entry.Object, name) {
					count[name]++
				}
			}
		}
	}
	return count
}

// What a CANCEL has taken down comes back in the reverse of its order, and then
// nothing is left to be brought back.
func TestWhatWasCancelledIsBroughtBackInOrder(t *testing.T) {
	for _, test := range []struct{ cancel, create string }{
		{"self,poweroff:0", "stack,l:host01"},
		{"self,wol,poweroff:0", "reuse,l:host01,stack"},
		{"poweroff:0", "stack,l:host01"},
		{"suspend", "stack,l:host01"},
	} {
		s := stacked(t)
		s.exits(s.cancel("pm", test.cancel, "host01"), 0)
		if test.cancel != "suspend" {
			s.off("db1", "web1", "web2", "box1")
		}
		if got := s.ran("host01"); test.cancel != "suspend" && len(got) != len(stackedGuests) {
			t.Errorf("%s: kept %v", test.cancel, got)
		}
		s.events = nil
		s.exits(s.create("pm", test.create), 0)
		s.powered(stackedGuests...)
		s.told("what ran on it runs again: ")
		up, on := s.phases(sim.Up), s.phases(sim.Booting)
		if test.cancel != "suspend" && (on["web1"] < up["db1"] || on["web2"] < up["db1"] || on["in1"] < up["box1"] || on["in2"] < on["in1"]) {
			t.Errorf("%s: on %v, up %v\n%s", test.cancel, on, up, s.story())
		}
		if left := s.ran("host01"); len(left) > 0 {
			t.Errorf("%s: still kept: %v", test.cancel, left)
		}
		s.events = nil
		s.exits(s.create("pm", test.create), 0)
		s.told("no CANCEL has left anything to be brought back")
	}
}

// Stages start one after the other, guests without one last.
func TestStagesStartOneAfterTheOther(t *testing.T) {
	s := stacked(t)
	s.rows["web2"], s.rows["box1"], s.rows["web1"] = `stage = 1`, `stage = 2, ready = "ssh"`, ""
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	s.exits(s.create("pm", "stack", "host01"), 0)
	on, up := s.phases(sim.Booting), s.phases(sim.Up)
	if on["box1"] < on["web2"] || on["web1"] < up["box1"] || on["db1"] < up["box1"] || on["in1"] > on["web1"] {
		t.Errorf("on %v, up %v\n%s", on, up, s.story())
	}
}

// A guest that fails keeps only what needs it from being started; the same command
// again goes on with what is missing.
func TestAGuestThatFailsKeepsOnlyItsDependentsDown(t *testing.T) {
	for what, fault := range map[string]func(*scene) (mend func()){
		"no memory": func(s *scene) func() {
			return s.world.Fault(sim.Fault{Machine: "db1", Power: "stack", Verb: "start", Kind: primitives.Internal, Message: "no memory"})
		},
		"is not ready: no answer by ssh in 300 s": func(s *scene) func() {
			return s.world.Fault(sim.Fault{Machine: "db1", Power: "probe"})
		},
	} {
		s := stacked(t)
		s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 0)
		mend := fault(s)
		s.exits(s.create("pm", "stack,l:host01"), 1)
		s.told(what, "not started: db1, which it needs, is not ready", "not all that ran on it runs again")
		s.off("web1", "web2")
		s.powered("box1", "in1", "in2")
		if left := s.ran("host01"); !slices.Equal(left, []string{"db1", "web1", "web2"}) {
			t.Errorf("%s: kept %v", what, left)
		}
		mend()
		s.exits(s.create("pm", "stack,l:host01"), 0)
		s.powered(stackedGuests...)
		for name, count := range s.starts() {
			if most := map[bool]int{true: 2, false: 1}[name == "db1"]; count > most {
				t.Errorf("%s: %s was started %d times", what, name, count)
			}
		}
		if left := s.ran("host01"); len(left) > 0 {
			t.Errorf("%s: still kept: %v", what, left)
		}
	}
}

// Of what ran in a guest, only what is missing stays to be brought back.
func TestWhatIsMissingInsideIsBroughtBackNextTime(t *testing.T) {
	s := stacked(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 0)
	mend := s.world.Fault(sim.Fault{Machine: "in2", Power: "stack", Verb: "start", Kind: primitives.Internal, Message: "no memory"})
	s.exits(s.create("pm", "stack,l:host01"), 1)
	s.told("in2: ", "no memory")
	if left := s.ran("host01"); !slices.Equal(left, []string{"box1", "in2"}) {
		t.Errorf("kept %v", left)
	}
	mend()
	s.exits(s.create("pm", "stack,l:host01"), 0)
	s.powered(stackedGuests...)
}

// A second CANCEL, which finds the guests off, does not lose what ran; one that is
// addressed alone, or rebooted, is nothing to be brought back.
func TestWhatRanStaysKeptUntilItIsBroughtBack(t *testing.T) {
	s := stacked(t)
	s.exits(s.cancel("kvm", "all,poweroff:0", "host01"), 0)
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 0)
	if got := s.ran("host01"); len(got) != len(stackedGuests) {
		t.Errorf("kept %v\n%s", got, s.story())
	}
	s.exits(s.create("pm", "stack,l:host01"), 0)
	s.powered(stackedGuests...)
	if s.wayBack("host01") == nil {
		t.Error("the way back is lost")
	}
	s.exits(s.cancel("kvm", "l:web1,poweroff:0", "host01"), 0)
	s.exits(s.cancel("pm", "reboot", "host01"), 0)
	s.exits(s.cancel("pm", "reboot,self", "host01"), 0)
	if got := s.ran("host01"); len(got) != 0 {
		t.Errorf("kept %v\n%s", got, s.story())
	}
	if s.wayBack("host01") == nil {
		t.Error("the way back is lost")
	}
	s.off("web1")
}

// What was kept last counts, by whichever name the machine was reached.
func TestWhatRanIsFoundByTheNameOrTheAddress(t *testing.T) {
	s := stacked(t)
	for _, target := range []string{"host01", "10.1.0.1", "host01", "10.1.0.1"} {
		s.exits(s.cancel("pm", "self,poweroff:0", target), 0)
		s.exits(s.create("pm", "stack,l:host01"), 0)
		s.powered("db1", "web1", "web2", "box1")
	}
}

// A guest that its host starts by itself is not started twice, and one that is gone
// is told once.
func TestWhatRunsOrIsGoneIsNotStarted(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.exits(s.create("pm", "ipmi,stack,l:lab01"), 0)
	s.powered("web1", "ct1", "db1", "app1")

	gone := transients(t)
	gone.exits(gone.cancel("pm", "poweroff:0", "host"), 0)
	gone.exits(gone.create("pm", "stack", "host"), 1)
	gone.told("fleeting: its hypervisor does not know it any more")
	gone.powered("lasting")
	gone.exits(gone.create("pm", "stack", "host"), 0)
}

// A guest is started by its address, not by what ran.
func TestStackIsForMachines(t *testing.T) {
	stacked(t).refused("kvm", "create", "l:web1,stack", primitives.Invalid, "\"stack\"")
}

// A row of which nobody knows when its guest is ready is found before anything is
// woken.
func TestAWrongRowIsFoundBeforeAnythingIsWoken(t *testing.T) {
	for _, ready := range []string{`ready = "http"`, `ready = "tcp:"`, `ready = 5`, `ready = "ssh", ready_deadline = "soon"`} {
		s := stacked(t)
		s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 0)
		s.rows["in2"] = ready
		exit, err := s.form("pm", "create", "stack,l:host01")
		if err == nil || !strings.Contains(err.Error(), "in2: ") || !strings.Contains(err.Error(), "in its row") {
			t.Errorf("%s: exit %d, %v", ready, exit, err)
		}
		s.off("host01")
	}
}

// A plan prints the order, whether or not the machine is up.
func TestAPlanPrintsTheOrderOfTheStack(t *testing.T) {
	for _, subopts := range []string{"poweroff:0", "self,poweroff:0"} {
		s := stacked(t)
		s.exits(s.cancel("pm", subopts, "host01"), 0)
		s.plan, s.events = true, nil
		s.exits(s.create("pm", "stack,l:host01"), 0)
		s.told("db1, box1, then web1, web2")
		if count := s.starts(); len(count) > 0 {
			t.Errorf("%s: started %v", subopts, count)
		}
	}
}

// A site's own function decides at every level.
func TestASiteReplacesHowAGuestIsStarted(t *testing.T) {
	s := stacked(t)
	s.overrides = map[string]string{"create.lua": `-- create: says which guest it starts
local create = require "stock.create"
local start = create.start_ran
function create.start_ran(guest)
  step.note("our own start of " .. guest.name)
  return start(guest)
end
return create
`}
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	s.exits(s.create("pm", "stack", "host01"), 0)
	for _, name := range stackedGuests {
		s.told("our own start of " + name)
	}
}

// Wherever a CANCEL is killed, what ran is kept; wherever the CREATE after it is
// killed, the resumed one brings all of it back.
func TestABringingBackIsResumedAfterEveryRecord(t *testing.T) {
	for record := 1; ; record++ {
		s := stacked(t)
		s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 0)
		first := &lastRecord{s: s, at: record}
		s.journal = first
		_, _ = s.form("pm", "create", "stack,l:host01")
		if len(first.entries) < record {
			if record < 20 {
				t.Errorf("the run left %d records", record-1)
			}
			return
		}
		s.history, s.journal = first.history(t), &lastRecord{s: s}
		exit, err := s.form("pm", "create", "stack,l:host01")
		if err != nil || exit != 0 || len(s.ran("host01")) > 0 {
			t.Fatalf("killed after record %d (%s %s): exit %d, %v, kept %v\n%s", record, first.entries[record-1].Kind, first.entries[record-1].Op, exit, err, s.ran("host01"), s.story())
		}
		s.powered(stackedGuests...)
		if t.Failed() {
			t.Fatalf("killed after record %d", record)
		}
		s.world.Close()
	}
}

func TestWhatRanIsKeptWhereverACancelIsKilled(t *testing.T) {
	for record := 1; ; record++ {
		s := stacked(t)
		first := &lastRecord{s: s, at: record}
		s.journal = first
		_, _ = s.form("pm", "cancel", "self,poweroff:0", "host01")
		if len(first.entries) < record {
			return
		}
		begun := slices.ContainsFunc(s.world.Log(), func(entry sim.Entry) bool { return entry.Call == "stack.shutdown" })
		if got := s.ran("host01"); begun && len(got) < 4 {
			t.Fatalf("killed after record %d: kept %v", record, got)
		}
		s.world.Close()
	}
}
