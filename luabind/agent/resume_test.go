package agent

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/stack"
)

// floor is a hypervisor with one guest; what happens while it is cut off is the
// test's.
type floor struct {
	luabind.Stack
	mu        sync.Mutex
	witness   string
	destroyed int
	during    func(f *floor) // called with a destroy, which then gets no answer
}

func (f *floor) List(context.Context, string) ([]stack.Guest, error) {
	guest, err := f.Inspect(context.Background(), stack.Ref{URI: "test:///default", UUID: "6695eb01-f6a4-8304-79aa-97f2502e193f"})
	return []stack.Guest{guest}, err
}

func (f *floor) Inspect(_ context.Context, ref stack.Ref) (stack.Guest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return stack.Guest{Ref: ref, Name: "web1", Type: "test", State: stack.Running, Witness: f.witness}, nil
}

func (f *floor) Destroy(ctx context.Context, _ stack.Ref) error {
	f.mu.Lock()
	f.destroyed++
	during := f.during
	f.mu.Unlock()
	if during != nil {
		during(f)
		<-ctx.Done()
	}
	return ctx.Err()
}

const cuttingOff = `function M.here()
  local began = journal.keep("began", function() return math.random(1e9) end)
  local ok, err = pcall(function() stack.list{uri = "test:///default"}[1]:destroy() end)
  return { began = began, told = ok and "done" or err.message }
end`

// lives is a machine with that floor whose agents end without a word when it
// loses its power, and which comes up again.
type lives struct {
	*world
	floor *floor
	end   context.CancelFunc
}

func newLives(t *testing.T, f *floor) *lives {
	l := &lives{world: newWorld(t, "", DeskOptions{Clock: hastyClock{}}), floor: f}
	l.up()
	return l
}

func (l *lives) up() {
	life, end := context.WithCancel(l.life)
	l.end = end
	l.host = func(machine string) Host {
		host := l.plainHost(machine, luabind.Capabilities{Stack: l.floor})
		host.Life = life
		return host
	}
}

// job waits until the only job of lab01 has no process, and gives its id.
func (l *lives) job() string {
	l.awaitSilence()
	jobs, err := journal.Jobs(filepath.Join(l.dir, "lab01"))
	if err != nil || len(jobs) != 1 {
		l.t.Fatalf("jobs %v, %v", jobs, err)
	}
	return jobs[0]
}

func (l *lives) carriesOn(job string) (map[string]any, *heard, error) {
	order := l.order("lab01", cuttingOff)
	order.Key, order.Resume = "key", job
	h := &heard{}
	value, err := run(l.t, l.world, order, h)
	table, _ := value.(map[string]any)
	return table, h, err
}

// keptBy is what a run has kept under a key, by the events that a desk heard.
func keptBy(h *heard, key string) []any {
	var values []any
	for _, event := range h.events {
		if event.Kind == luabind.KindKeep && event.Key == key {
			values = append(values, event.Data["value"])
		}
	}
	return values
}

// An agent that was killed in the middle of what must be done at most once: its
// job is carried on, with what it had kept, and the guest's witness decides.
func TestKilledAgentIsCarriedOn(t *testing.T) {
	for _, test := range []struct {
		name    string
		before  string // the guest's witness
		after   string
		destroy int // calls in both lives together
		told    string
	}{
		{"it happened", "start 1", "start 2", 1, "done"},
		{"it did not", "start 1", "start 1", 2, "done"},
		{"nobody can tell", "", "", 1, "unknown, not repeated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &floor{witness: test.before}
			l := newLives(t, f)
			f.during = func(f *floor) {
				f.during = nil
				l.end()
				l.cut("lab01")
			}
			first := &heard{}
			if _, err := run(t, l.world, l.order("lab01", cuttingOff), first); err == nil {
				t.Fatal("the agent was not killed")
			}
			job := l.job()
			if given := keptBy(first, ""); len(given) != 1 || given[0] != job {
				t.Errorf("the desk has noted job %v, not %s", given, job)
			}
			f.witness = test.after
			l.up()
			result, h, err := l.carriesOn(job)
			if err != nil {
				t.Fatal(err)
			}
			if f.destroyed != test.destroy || !strings.Contains(result["told"].(string), test.told) {
				t.Errorf("destroyed %d times, told %q", f.destroyed, result["told"])
			}
			if began := keptBy(h, "began"); len(began) != 1 || result["began"] != began[0] {
				t.Errorf("kept %v, and the second life has %v", began, result["began"])
			}
			if l.job() != job {
				t.Error("it has another job")
			}
		})
	}
}

// A desk that was killed hears from a job that went on, and from one that has
// ended, all that it has missed; nothing is done again.
func TestKilledDeskHearsAllAgain(t *testing.T) {
	f := &floor{witness: "start 1"}
	l := newLives(t, f)
	if _, err := run(t, l.world, l.order("lab01", cuttingOff), &heard{}); err != nil {
		t.Fatal(err)
	}
	result, h, err := l.carriesOn(l.job())
	if err != nil || result["told"] != "done" || f.destroyed != 1 {
		t.Errorf("%v, %v, destroyed %d times", result, err, f.destroyed)
	}
	if !slices.ContainsFunc(h.events, func(e luabind.Event) bool { return e.Kind == luabind.KindOutcome && e.Op == "stack.destroy" }) {
		t.Error("the desk did not hear of the destroy")
	}
}

// An order whose end the earlier run has heard is carried out once more: what must
// not be done twice is not, what was kept is known, and what is looked at is looked
// at now. One that has only looked does so also where its end was not heard.
func TestAnOrderThatHasEndedIsCarriedOutAgain(t *testing.T) {
	const looking = `function M.here() return { seen = stack.list{uri = "test:///default"}[1].witness } end`
	const both = `function M.here()
  local guest = stack.list{uri = "test:///default"}[1]
  guest:destroy()
  return { seen = guest.witness, kept = journal.keep("first", function() return guest.witness end) }
end`
	for _, test := range []struct {
		name, body string
		again      bool
		seen       string
	}{
		{"looked, heard", looking, true, "start 2"},
		{"looked, not heard", looking, false, "start 2"},
		{"destroyed, heard", both, true, "start 2"},
		{"destroyed, not heard", both, false, "start 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &floor{witness: "start 1"}
			l := newLives(t, f)
			first := &heard{}
			order := l.order("lab01", test.body)
			order.Key = "key"
			if _, err := run(t, l.world, order, first); err != nil {
				t.Fatal(err)
			}
			job, before := l.job(), f.destroyed
			if told := first.events[len(first.events)-1]; told.Kind != luabind.KindKeep || told.Key != "key" || told.Data["told"] != true {
				t.Errorf("the last that the desk notes is %+v", told)
			}
			f.witness = "start 2"
			order.Resume, order.Again = job, test.again
			value, err := run(t, l.world, order, &heard{})
			result, _ := value.(map[string]any)
			if err != nil || result["seen"] != test.seen || result["kept"] != nil && result["kept"] != "start 1" {
				t.Errorf("%v, %v", value, err)
			}
			if f.destroyed != before || l.job() != job {
				t.Errorf("destroyed %d times, then %d", before, f.destroyed)
			}
		})
	}
}

// A job that its machine has forgotten is not begun anew where it may have done
// what must not be done twice.
func TestForgottenJobThatHadBegunIsNotRepeated(t *testing.T) {
	f := &floor{witness: "start 1"}
	l := newLives(t, f)
	order := l.order("lab01", cuttingOff)
	order.Key, order.Resume, order.Once = "key", "20260731-142530-042-9f3a61c2", true
	_, err := run(t, l.world, order, &heard{})
	if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), "not repeated") || f.destroyed != 0 {
		t.Errorf("%v, destroyed %d times", err, f.destroyed)
	}
}

// A job that its machine has forgotten is begun anew.
func TestForgottenJobBeginsAnew(t *testing.T) {
	l := newLives(t, &floor{witness: "start 1"})
	result, h, err := l.carriesOn("20260731-142530-042-9f3a61c2")
	if err != nil || result["told"] != "done" {
		t.Fatalf("%v, %v", result, err)
	}
	if given := keptBy(h, "key"); len(given) != 2 || given[0] != l.job() || given[1] != l.job() {
		t.Errorf("the desk has noted %v", given)
	}
	if _, _, err = l.carriesOn("../../etc"); primitives.KindOf(err) == "" {
		t.Error("a job that is none was taken")
	}
}
