//go:build linux

package acceptance

import (
	"syscall"
	"testing"
	"time"
)

// TestKilledOnRealGuests kills the caller, the agent on the machine, or both
// (kill -9) when a record is in the machine's journal; ctys resume reaches the
// goal, and what must not be done twice has been done once.
func TestKilledOnRealGuests(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, test := range []struct {
		name          string
		kind, op      string // of the record at which they are killed
		caller, agent bool
	}{
		{"the caller, when a guest is to be asked", "intent", "stack.shutdown", true, false},
		{"the agent, when a guest is to be destroyed", "intent", "stack.destroy", false, true},
		{"both, when the end is announced", "outcome", "shutdown.announce", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !h.room.Running() {
				h.PowerOn(t)
				h.offersLibvirt(t)
			}
			h.floor.run(t)
			before := len(journals(t, h.Path("/root")))
			o := h.operator(t)
			c := o.starts(t, "-t", "pm", "-a", "cancel=self,poweroff:5,timeout:4", h.Name)
			h.awaits(t, before, test.kind, test.op)
			if test.caller {
				if err := c.command.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			if test.agent {
				h.Run(t, "kill -KILL $(pgrep -f 'ctys[^ ]* agent') && while pgrep -f 'ctys[^ ]* agent'; do sleep 0.01; done")
			}
			c.end()
			o.calls(t, "resume").exits(t, 0)
			h.WaitOff(t, 40*time.Second)
			h.expect(t, false, false)
			h.once(t, before)
		})
	}
}

// awaits waits for a record in the journal of a new job on the machine.
func (h *host) awaits(t *testing.T, before int, kind, op string) {
	t.Helper()
	for limit := time.Now().Add(60 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		for _, file := range journals(t, h.Path("/root"))[before:] {
			if len(about(readJournal(t, file), kind, op, "")) > 0 {
				return
			}
		}
		if time.Now().After(limit) {
			t.Fatalf("the machine's journal has no %s of %s", kind, op)
		}
	}
}

// once expects that nothing that must be done once was accepted twice, by the
// journals that the machine has kept since.
func (h *host) once(t *testing.T, before int) {
	t.Helper()
	single, accepted := map[string]bool{}, map[string]int{}
	for _, file := range journals(t, h.Path("/root"))[before:] {
		for _, e := range readJournal(t, file) {
			what := e.Op + " " + e.Object
			if e.Kind == "intent" && e.Effect == "write once" {
				single[what] = true
			}
			if e.Kind == "outcome" && single[what] && e.Error == nil {
				accepted[what]++
			}
		}
	}
	if len(accepted) == 0 {
		t.Error("the machine's journals have no outcome of what is done once")
	}
	for what, times := range accepted {
		if times > 1 {
			t.Errorf("%s was accepted %d times", what, times)
		}
	}
}
