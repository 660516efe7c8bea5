package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim"
)

func numbered(n int) string { return fmt.Sprintf("bmc%04d", n) }

func numberedUpTo(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = numbered(i)
	}
	return names
}

func (s *scene) dead(names ...string) {
	for _, name := range names {
		s.world.Fault(sim.Fault{Machine: name, Power: "ipmi", Hang: true})
	}
}

// Dead BMCs cost one deadline in total: however many they are, whatever carries
// them, and although their machines are probed too.
func TestDeadOnesCostOneDeadline(t *testing.T) {
	for name, prepare := range map[string]func(s *scene) []string{
		"a thousand":            func(s *scene) []string { s.dead(""); return numberedUpTo(1000) },
		"one in a dead chassis": func(s *scene) []string { s.dead("bmc0010", "chassis1"); return []string{"bmc0010"} },
		"behind a dead switch": func(s *scene) []string {
			s.rows["chassis1"] = `parent = "switch",`
			s.world.Add(sim.Machine{Name: "switch", Address: "10.8.0.1"})
			s.dead("bmc0010", "bmc0011", "chassis1")
			return []string{"bmc0010", "bmc0011", "bmc0020"}
		},
		"with addresses": func(s *scene) []string {
			s.world.Add(sim.Machine{Name: "lab1", Address: "10.8.0.2", BMC: &sim.BMC{Host: "10.8.1.2", Port: 623}})
			s.world.Add(sim.Machine{Name: "lab2", Address: "10.8.0.3", BMC: &sim.BMC{Host: "10.8.1.3", Port: 623}})
			s.dead("lab1", "lab2")
			return []string{"lab1", "lab2"}
		},
	} {
		for _, verb := range []string{"status", "on"} {
			for _, timeout := range []float64{20, 1} {
				count := 30
				if name == "a thousand" {
					count = 1000
				}
				s := bmcs(t, count, func(int) bool { return false })
				targets := prepare(s)
				got := s.power(verb, arguments{"timeout": timeout}, targets...)
				within := time.Duration(timeout*float64(time.Second)) + time.Second
				if elapsed := s.clock.Elapsed(); got.err != nil || got.exit != 1 || elapsed > within {
					t.Errorf("%s, %s, timeout %g s: exit %d, %v, after %s", name, verb, timeout, got.exit, got.err, elapsed)
				}
			}
		}
	}
}

// When a chassis has been found dead, those of its machines whose turn has not
// come are not asked any more.
func TestMachinesBehindADeadChassisAreSkipped(t *testing.T) {
	s := bmcs(t, 30, func(int) bool { return false })
	s.site["limit"] = 2
	s.dead("chassis1", "bmc0010", "bmc0011", "bmc0012", "bmc0013")
	s.ends(s.power("status", nil, "bmc0009", "bmc0010", "bmc0011", "bmc0012", "bmc0013", "bmc0020"), 1,
		"on: bmc[0009,0020]\nunknown: bmc[0010-0013],chassis1\n")
	for _, name := range []string{"bmc0010", "bmc0011", "bmc0012", "bmc0013"} {
		if _, failure := s.result(name); failure != "skipped because of chassis1" {
			t.Errorf("%s: %q", name, failure)
		}
	}
	if n := s.asked("status", "10.1.0.13") + s.asked("status", "10.1.0.14"); n > 0 {
		t.Errorf("asked %d times behind a chassis that is known to be dead", n)
	}
	if elapsed := s.clock.Elapsed(); elapsed > 21*time.Second {
		t.Errorf("took %s", elapsed)
	}
}

// lagging lets the answers of some BMCs come late.
type lagging struct {
	luabind.IPMI
	clock *sim.Clock
	lag   func(host string) time.Duration
}

func (l lagging) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	if err := l.clock.Sleep(ctx, l.lag(target.Host)); err != nil {
		return ipmi.Status{}, err
	}
	return l.IPMI.Status(ctx, target)
}

// Machines are switched on in the order in which they are named, whoever
// answers first: one that is on, or does not answer, is passed over.
func TestTurnsFollowTheTargets(t *testing.T) {
	for _, verb := range []string{"on", "cycle"} {
		s := bmcs(t, 10, func(i int) bool { return verb == "on" && i != 4 })
		s.yes = true
		s.dead("bmc0007")
		s.bmcs = func(own luabind.IPMI) luabind.IPMI {
			return lagging{own, s.clock, func(host string) time.Duration {
				return time.Duration(int64(strings.Compare("10.1.0.5", host)+2)) * 700 * time.Millisecond
			}}
		}
		targets := []string{"bmc0003", "bmc0009", "bmc0001", "bmc0004", "bmc0008", "bmc0007", "bmc0000"}
		s.power(verb, arguments{"spacing": 0.5, "timeout": 5.0}, targets...)
		var order []string
		for _, entry := range s.world.Log() {
			if host, _, _ := strings.Cut(entry.Object, ":"); entry.Call == "ipmi.on" && !strings.HasSuffix(host, ".8") {
				var n int
				_, _ = fmt.Sscanf(host, "10.1.0.%d", &n)
				order = append(order, numbered(n-1))
			}
		}
		want := []string{"bmc0003", "bmc0009", "bmc0001", "bmc0008", "bmc0000"}
		if verb == "cycle" {
			want = slices.Insert(want, 3, "bmc0004")
		}
		if !slices.Equal(order, want) {
			t.Errorf("%s: switched on %q, want %q", verb, order, want)
		}
	}
}

// --timeout holds for the command too, not only for the first look.
func TestEveryRequestHasTheTimeout(t *testing.T) {
	for verb, fault := range map[string]string{"on": "on", "off": "off", "soft": "soft", "cycle": "off", "reset": "reset", "diag": "diag"} {
		s := rack(t)
		target := "lab03"
		if verb == "on" {
			target = "lab02"
		}
		s.world.Fault(sim.Fault{Machine: target, Power: "ipmi", Verb: fault, Hang: true})
		got := s.power(verb, arguments{"timeout": 3.0}, target)
		if elapsed := s.clock.Elapsed(); got.err != nil || got.exit != 1 || elapsed > 4*time.Second {
			t.Errorf("%s: exit %d, %v, after %s", verb, got.exit, got.err, elapsed)
		}
		s = rack(t)
		s.bmcs = func(own luabind.IPMI) luabind.IPMI {
			return lagging{own, s.clock, func(string) time.Duration { return 30 * time.Second }}
		}
		if got = s.power(verb, arguments{"timeout": 90.0}, target); got.exit != 0 {
			t.Errorf("%s of a BMC that takes 30 s: exit %d, %v\n%s", verb, got.exit, got.err, s.story())
		}
	}
}

// Where a run is stopped, machines whose turn had not come were not asked.
func TestMachinesThatWereNotAsked(t *testing.T) {
	s := bmcs(t, 10, func(i int) bool { return i == 3 })
	s.site["limit"] = 2
	s.dead("bmc0001", "bmc0002")
	s.stop = 5 * time.Second
	got := s.power("status", nil, numberedUpTo(6)...)
	if want := "on: bmc0000\nunknown: bmc[0001-0002]\nnot asked: bmc[0003-0005]\n"; got.err == nil || got.out != want {
		t.Errorf("%v, printed\n%s", got.err, got.out)
	}
	if state, failure := s.result("bmc0004"); state != "not asked" || failure != "not asked, nothing was changed" {
		t.Errorf("%q, %q", state, failure)
	}

	s = bmcs(t, 10, func(int) bool { return true })
	s.stop = 5 * time.Second
	got = s.power("on", arguments{"spacing": 60.0}, numberedUpTo(3)...)
	if want := "on: bmc0000\noff: bmc[0001-0002]\n"; got.err == nil || got.out != want {
		t.Errorf("%v, printed\n%s", got.err, got.out)
	}
	if state, failure := s.result("bmc0002"); state != "off" || failure != "stopped before its turn came; nothing was changed" {
		t.Errorf("%q, %q", state, failure)
	}
}

// An end that a site's step words wrongly is an error of that machine, and keeps
// no other from being asked.
func TestAnEndThatIsNone(t *testing.T) {
	s := bmcs(t, 10, func(int) bool { return false })
	s.overrides = map[string]string{"power.lua": `
		local M = require "stock.power"
		local status = M.status
		function M.status(target, wanted)
		  if target.name == "bmc0001" then return { state = { "on" } } end
		  return status(target, wanted)
		end
		return M`}
	s.ends(s.power("status", nil, numberedUpTo(4)...), 1, "on: bmc[0000,0002-0003]\nunknown: bmc0001\n")
	s.told(`option "state"`)
}

// oneBMC is what a resolver says of several names of one BMC.
type oneBMC struct{ luabind.IPMI }

func (oneBMC) Addresses(context.Context, ipmi.Target) ([]string, error) {
	return []string{"192.0.2.7:623"}, nil
}

// A BMC that two rows call by different names is one machine all the same.
func TestNamesOfOneBMC(t *testing.T) {
	for _, verb := range []string{"reset", "diag", "cycle"} {
		s := rack(t)
		s.bmcs = func(own luabind.IPMI) luabind.IPMI { return oneBMC{own} }
		got := s.power(verb, nil, "lab02", "lab03")
		if got.err == nil || !strings.Contains(got.err.Error(), "lab02 and lab03 have one BMC (192.0.2.7:623)") {
			t.Errorf("%s: exit %d, %v", verb, got.exit, got.err)
		}
		if calls := s.world.Log(); len(calls) > 0 {
			t.Errorf("%s: contacted: %v", verb, calls)
		}
	}
}
