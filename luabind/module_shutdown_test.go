package luabind

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives/shutdown"
)

// drowsy is a machine that has slept for a minute.
type drowsy struct{ doomed }

func (d *drowsy) Identity(ctx context.Context) (shutdown.Identity, error) {
	identity, err := d.doomed.Identity(ctx)
	identity.Slept = time.Minute
	return identity, err
}

func TestSleepIsAppliedAndWitnessed(t *testing.T) {
	machine := &drowsy{}
	kept := &recorder{}
	host := New(Capabilities{Shutdown: machine}, Options{Self: "lab01", MayDown: true, Journal: kept})
	result, err := host.Run(context.Background(), Script{Name: "x.lua", Source: `
for _, method in ipairs{ "suspend", "hibernate", "poweroff" } do
  assert(shutdown.supported{ method = method })
  assert(shutdown.apply{ machine = "lab01", method = method }.via == "test")
end
return shutdown.identity().slept`})
	if err != nil || Format(result.Values[0]) != "60" {
		t.Fatal(result, err)
	}
	if want := []shutdown.Request{{Method: "suspend"}, {Method: "hibernate"}, {Method: "poweroff"}}; !slices.Equal(machine.taken, want) {
		t.Errorf("asked for %v", machine.taken)
	}
	var witnesses []string
	for _, entry := range kept.entries {
		if entry.Kind == KindIntent {
			witnesses = append(witnesses, entry.Witness)
		}
	}
	if want := "1 asleep for 1m0s, 1 asleep for 1m0s, 1"; strings.Join(witnesses, ", ") != want {
		t.Errorf("witnesses %q, want %q", witnesses, want)
	}
}

func TestSleepIsPlanned(t *testing.T) {
	machine := &drowsy{}
	var left []string
	host := New(Capabilities{Shutdown: machine}, Options{Self: "lab01", MayDown: true, Plan: true, Events: func(event Event) {
		if event.Kind == KindPlan {
			left = append(left, event.Object+" "+event.State)
		}
	}})
	if _, err := host.Run(context.Background(), Script{Name: "x.lua", Source: `
shutdown.apply{ machine = "lab01", method = "suspend" }
shutdown.apply{ machine = "lab01", method = "hibernate" }`}); err != nil {
		t.Fatal(err)
	}
	if want := "machine lab01 suspended, machine lab01 hibernated"; strings.Join(left, ", ") != want || len(machine.taken) != 0 {
		t.Errorf("left %q, asked for %v", left, machine.taken)
	}
}
