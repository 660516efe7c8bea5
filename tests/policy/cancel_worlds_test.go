package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// badDay draws what goes wrong in one world.
type badDay struct {
	*rand.Rand
	said []string // in words, for a failure's message
}

func pick[T any](d *badDay, from ...T) T { return from[d.IntN(len(from))] }

func (d *badDay) seconds(most int) time.Duration {
	return time.Duration(d.IntN(most*1000)) * time.Millisecond
}

func (d *badDay) fault() sim.Fault {
	f := sim.Fault{
		Machine: pick(d, "lab01", "web1", "ct1", "db1", "app1"),
		Power:   pick(d, "stack", "stack", "stack", "line", "probe", "shutdown"),
		After:   d.IntN(5),
		Count:   d.IntN(3),
		Kind:    pick(d, primitives.Unreachable, primitives.Timeout, primitives.Internal, primitives.Denied, primitives.Unsupported),
	}
	if f.Power == "stack" {
		f.Verb = pick(d, "", "list", "shutdown", "await", "destroy", "inspect", "resume", "start")
		f.State = pick(d, "", "", "", "", "half-there")
	}
	f.Hang, f.LoseReply = d.IntN(4) == 0, d.IntN(4) == 0
	if f.Power == "line" && f.Machine == "lab01" || f.Power == "shutdown" {
		f.Hang = false // SSH gives up by itself; a machine's own system answers or does not
	}
	d.said = append(d.said, fmt.Sprintf("%+v", f))
	return f
}

// spoil lets one thing happen to the world besides the faults.
func (d *badDay) spoil(s *scene) {
	name, at := pick(d, "web1", "ct1", "db1", "app1"), d.seconds(60)
	what := pick(d, "nothing", "stuck", "hangs", "paused", "deaf", "started meanwhile", "shut down meanwhile")
	d.said = append(d.said, fmt.Sprintf("%s %s at %s", name, what, at))
	switch what {
	case "stuck":
		s.world.HangInShutdown(name, true)
	case "hangs":
		s.world.Hang(name)
	case "paused":
		s.pause("web1")
	case "deaf":
		s.world.IgnoreACPI(name, true)
	case "started meanwhile":
		s.world.After(at, func() { s.world.PowerOn(name) })
	case "shut down meanwhile":
		if name != "ct1" { // whose guests would be lost by that
			s.world.After(at, func() { s.world.ShutDown(name) })
		}
	}
}

// Whatever goes wrong: no guest is lost without having been asked or destroyed
// by name, exit 0 means that everything is seen to be off, nothing is destroyed
// twice, and the run ends.
func TestCancelOnManyBadDays(t *testing.T) {
	for seed := range uint64(300) {
		day := &badDay{Rand: rand.New(rand.NewPCG(seed, 1))}
		s := rack(t)
		subopts := pick(day, "self,poweroff:0", "self,poweroff", "self,poweroff:0,timeout:60", "poweroff:0", "poweroff:0,timeout:20", "self,init:0,timeout:5")
		day.spoil(s)
		for range 1 + day.IntN(3) {
			s.world.Fault(day.fault())
		}
		exit, err := s.form("pm", "cancel", subopts, "lab01")
		bad := judge(s, exit, err, strings.Contains(subopts, "self"))
		if bad != "" {
			t.Fatalf("seed %d: %s: %s\n%s\n%s", seed, subopts, bad, strings.Join(day.said, "\n"), s.story())
		}
		s.world.Close()
	}
}

func judge(s *scene, exit int, err error, self bool) string {
	guests := []string{"web1", "ct1", "db1", "app1"}
	on := func(name string) bool { return s.world.State(name).Power == primitives.PowerOn }
	switch {
	case err != nil:
		return err.Error()
	case exit != 0 && exit != 1 && exit != 3:
		return fmt.Sprint("exit ", exit)
	case len(s.world.Lost()) > 0:
		return fmt.Sprint("guests were killed by their host: ", s.world.Lost())
	case exit == 0 && self && on("lab01"):
		return "exit 0, and lab01 is on"
	case exit == 0 && self && slices.ContainsFunc(guests, on):
		return "exit 0, and guests are on"
	case exit == 3 && s.count("stack", "shutdown")+s.count("stack", "destroy")+s.count("shutdown", "do") > 0:
		return "exit 3, and something was changed"
	case s.clock.Elapsed() > 20*time.Minute:
		return fmt.Sprint("it took ", s.clock.Elapsed())
	}
	return destroyedTwice(s)
}

func destroyedTwice(s *scene) string {
	seen := map[string]bool{}
	for _, entry := range s.world.Log() {
		if entry.Call == "stack.destroy" {
			if seen[entry.Object] {
				return entry.Object + " was destroyed twice"
			}
			seen[entry.Object] = true
		}
	}
	return ""
}

// The same world and the same request give the same story, word for word.
func TestTheSameSeedGivesTheSameStory(t *testing.T) {
	tell := func() string {
		s := rack(t)
		s.world.HangInShutdown("db1", true)
		s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "shutdown", LoseReply: true, Count: 1})
		s.cancel("pm", "self,reboot,timeout:60", "lab01", "lab03")
		return s.story()
	}
	first := tell()
	for range 5 {
		if again := tell(); again != first {
			t.Fatalf("another story:\n%s\n\nthan\n%s", again, first)
		}
	}
}
