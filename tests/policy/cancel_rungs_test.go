package policy

import (
	"strings"
	"testing"
	"time"

	"ctys/primitives/sim"
)

// askedAt says when a guest was asked in a mode.
func (s *scene) askedAt(guest, mode string) []time.Duration {
	var at []time.Duration
	for _, entry := range s.world.Log() {
		if entry.Call == "stack.shutdown" && strings.HasSuffix(entry.Object, guest) && strings.Contains(entry.Result, mode) {
			at = append(at, entry.At)
		}
	}
	return at
}

// TIMEOUT:0 leaves no guest any time, so somebody must mean it; then nobody is asked.
func TestTimeoutOfZero(t *testing.T) {
	s := rack(t)
	if exit, err := s.form("pm", "cancel", "poweroff:0,timeout:0", "lab01"); err == nil || !strings.Contains(err.Error(), "goes to the deadline at once: add FORCE, or --yes") {
		t.Errorf("exit %d, %v\n%s", exit, err, s.story())
	}
	s.up("web1", "db1")

	s = farm(t, "web1")
	s.yes = true
	s.exits(s.cancel("pm", "poweroff:0,timeout:0", "host01"), 0)
	s.off("web1")
	if asked, destroyed := s.count("stack", "shutdown"), s.count("stack", "destroy"); asked != 0 || destroyed != 1 {
		t.Errorf("asked %d times, destroyed %d\n%s", asked, destroyed, s.story())
	}
}

// The power button is pressed every ten seconds until the deadline.
func TestThePowerButtonIsPressedAgain(t *testing.T) {
	s := farm(t, "web1")
	s.rows["web1"] = "deadline = 60"
	s.world.IgnoreACPI("web1", true)
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 1)
	at := s.askedAt("web1", "acpi")
	if len(at) < 5 || len(at) > 7 {
		t.Fatalf("pressed at %v", at)
	}
	for i := 1; i < len(at); i++ {
		if gap := at[i] - at[i-1]; gap < 9*time.Second || gap > 12*time.Second {
			t.Errorf("pressed at %v", at)
		}
	}
}

// An agent that took the request and does nothing has a fifth of the time.
func TestTheAgentHasAShareOfTheDeadline(t *testing.T) {
	s := rack(t)
	s.rows["web1"] = "deadline = 100"
	s.world.HangInShutdown("web1", true)
	s.exits(s.cancel("kvm", "l:web1,poweroff:0", "lab01"), 1)
	agent, button := s.askedAt("web1", "agent"), s.askedAt("web1", "acpi")
	if len(agent) != 1 || len(button) == 0 || button[0]-agent[0] < 19*time.Second || button[0]-agent[0] > 25*time.Second {
		t.Errorf("agent %v, button %v\n%s", agent, button, s.story())
	}
}

// The clock of a guest starts when it is asked, whoever it had to wait for.
func TestADeadlineBeginsWhenTheGuestIsAsked(t *testing.T) {
	for name, prepare := range map[string]func(*scene){
		"stage": func(s *scene) { s.rows["b"] = "deadline = 60, stage = 1" },
		"limit": func(s *scene) { s.site["limit_per_hypervisor"] = 1.0 },
	} {
		s := farm(t, "a", "b")
		s.rows["a"], s.rows["b"] = "deadline = 60", "deadline = 60"
		prepare(s)
		s.world.IgnoreACPI("a", true)
		s.world.IgnoreACPI("b", true)
		s.exits(s.cancel("pm", "poweroff:0", "host01"), 1)
		a, b := s.askedAt("a", "acpi"), s.askedAt("b", "acpi")
		if len(a) == 0 || len(b) == 0 || b[0]-a[0] < 55*time.Second || b[len(b)-1]-b[0] < 40*time.Second {
			t.Errorf("%s: a asked at %v, b at %v", name, a, b)
		}
	}
}

// A site's word counts where the row says nothing, and the row's before it.
func TestAtDeadlineOfASite(t *testing.T) {
	for row, exit := range map[string]int{"": 0, `at_deadline = "stop"`: 1} {
		s := farm(t, "web1")
		s.site["at_deadline"], s.site["deadline"], s.rows["web1"] = "destroy", 30.0, row
		s.world.IgnoreACPI("web1", true)
		s.exits(s.cancel("pm", "poweroff:0", "host01"), exit)
		if off := s.world.State("web1").Phase == sim.Off; off != (exit == 0) {
			t.Errorf("%q: off %v", row, off)
		}
	}
}
