package luabind

import (
	"context"
	"strings"
	"testing"

	"ctys/luabind/journal"
	"ctys/primitives/stack"
)

// oneGuest is a hypervisor whose guest is the same run of it all the time, as
// QEMU's is through a reset.
type oneGuest struct {
	Stack
	did []string
}

var theGuest = stack.Ref{URI: "qemu:///system", UUID: "6695eb01-f6a4-8304-79aa-97f2502e193f"}

func (o *oneGuest) List(context.Context, string) ([]stack.Guest, error) {
	guest, err := o.Inspect(context.Background(), theGuest)
	return []stack.Guest{guest}, err
}

func (*oneGuest) Inspect(_ context.Context, ref stack.Ref) (stack.Guest, error) {
	return stack.Guest{Ref: ref, Name: "web1", Type: "kvm", State: stack.Running, Witness: "id 5"}, nil
}
func (o *oneGuest) Reset(context.Context, stack.Ref) error              { return o.note("reset") }
func (o *oneGuest) Reboot(context.Context, stack.Ref, stack.Mode) error { return o.note("reboot") }
func (o *oneGuest) Destroy(context.Context, stack.Ref) error            { return o.note("destroy") }
func (o *oneGuest) note(what string) error {
	o.did = append(o.did, what)
	return nil
}

// A guest that was destroyed is another run of it afterwards, so the same one was
// not; of a reset or reboot that says nothing.
func TestAGuestThatMayHaveBeenResetIsNotResetAgain(t *testing.T) {
	for call, repeated := range map[string]bool{`destroy()`: true, `reset()`: false, `reboot{mode = "acpi"}`: false} {
		script := `return pcall(function() stack.list{uri = "qemu:///system"}[1]:` + call + ` end)`
		var first []Event
		rt := New(Capabilities{Stack: &oneGuest{}}, Options{Kept: true, Events: func(event Event) { first = append(first, event) }})
		run(t, rt, script)
		if len(first) != 2 || first[0].Kind != KindIntent {
			t.Fatalf("%s: the first run left %+v", call, first)
		}
		again := &oneGuest{}
		rt = New(Capabilities{Stack: again}, Options{History: journal.NewHistory(first[:1], "")})
		values := run(t, rt, script)
		if repeated && len(again.did) != 1 || !repeated && (len(again.did) > 0 || !strings.Contains(values[1], "unknown, not repeated")) {
			t.Errorf("%s: did %v in its second life, told %v", call, again.did, values)
		}
	}
}

// noted is a machine that notes which jobs its orders are to resume.
type noted struct {
	told
	resumed []string
}

func (n *noted) Run(_ context.Context, order Order, events func(Event)) (any, error) {
	n.resumed = append(n.resumed, order.Resume)
	events(Event{Kind: KindKeep, Key: order.Key, Data: OrderGiven("job of "+order.Key, false)})
	return map[string]any{}, nil
}

// Orders that one machine gets side by side come in another order the next time:
// each finds its own job, by what it is about.
func TestOrdersSideBySideFindTheirOwnJobs(t *testing.T) {
	script := func(first, second string) string {
		return `for _, bmc in ipairs{"` + first + `", "` + second + `"} do action.at("gate", "power", {}, {call = "at_bmc", about = bmc}) end`
	}
	var entries []Event
	rt := New(Capabilities{Relocate: &noted{}}, Options{Events: func(event Event) { entries = append(entries, event) }})
	run(t, rt, script("bmc1", "bmc2"))
	again := &noted{}
	run(t, New(Capabilities{Relocate: again}, Options{History: journal.NewHistory(entries, "")}), script("bmc2", "bmc1"))
	if len(again.resumed) != 2 || !strings.HasSuffix(again.resumed[0], "about bmc2") || !strings.HasSuffix(again.resumed[1], "about bmc1") {
		t.Errorf("resumed %q", again.resumed)
	}
}
