package policytest

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"ctys/primitives"
)

func path(files map[string]string) []fs.FS {
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return []fs.FS{dir}
}

func runText(t *testing.T, text string) map[string]error {
	t.Helper()
	outcomes, err := Run(context.Background(), "x_test", Options{Path: path(map[string]string{"x_test.lua": text}), Clock: primitives.SystemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	ended := map[string]error{}
	for _, outcome := range outcomes {
		ended[outcome.Name] = outcome.Err
	}
	return ended
}

func TestPolicyOnAWorld(t *testing.T) {
	for name, err := range runText(t, `
local M = {}
function M.hangs()
  local world = sim.world{ seed = 7, machines = { lab01 = { guests = { web1 = {}, db1 = { hangs = true } } } }, site = { deadline = 60 } }
  local run = world:run{ action = "cancel=self,poweroff:0", targets = { "lab01" } }
  assert(run.exit == 1, run.text)
  assert(world:state("web1") == "off" and world:state("lab01") == "up", world:log())
  assert(sim.in_order(run.writes, { "stack.shutdown web1" }), run.text)
  assert(run.seconds >= 60 and run.seconds < 100, run.seconds)
  assert(run.text:find("at_deadline"), run.text)
  assert(#world:lost() == 0)
end
function M.whole_stack()
  local world = sim.world{ machines = { lab01 = { bmc = true, guests = { ct1 = { guests = { db1 = {} } }, web1 = { shutdown = 20 } } } } }
  local run = world:run{ action = "cancel=self,poweroff:0", targets = { "lab01" } }
  assert(run.exit == 0, run.text)
  assert(sim.in_order(world:went_off(), { "db1", "ct1", "web1", "lab01" }), table.concat(world:went_off(), " "))
  local again = world:run{ action = "create=ipmi,l:lab01" }
  assert(again.exit == 0, again.text)
  assert(world:came_up()[1] == "lab01")
end
function M.plan()
  local world = sim.world{ machines = { lab01 = { guests = { web1 = {} } } } }
  local run = world:run{ action = "cancel=poweroff:0", targets = { "lab01" }, plan = true }
  assert(run.exit == 0 and #run.writes == 0, run.text)
  assert(sim.in_order(run.plan, { "stack.shutdown web1" }), run.text)
  assert(world:state("web1") == "up")
end
function M.somebody_starts_one()
  local world = sim.world{ machines = { lab01 = { guests = { web1 = { shutdown = 30 }, web2 = { on = false, deaf = true } } } } }
  world:later(5, "power_on", "web2")
  local run = world:run{ action = "cancel=self,poweroff:0", targets = { "lab01" } }
  assert(run.exit == 1 and world:state("lab01") == "up", run.text)
end
function M.deaf_hypervisor()
  local world = sim.world{ machines = { lab01 = { guests = { web1 = {} } } } }
  world:fault{ machine = "lab01", power = "stack", verb = "list" }
  local run = world:run{ action = "cancel=self,poweroff:0", targets = { "lab01" } }
  assert(run.exit == 1 and world:state("lab01") == "up", run.text)
end
return M
`) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same seed gives the same run, event for event.
func TestSeedGivesTheSameRun(t *testing.T) {
	for name, err := range runText(t, `
local function story(seed)
  local world = sim.world{ seed = seed, machines = { lab01 = { guests = { a = {}, b = {}, c = { shutdown = 7 } } } } }
  return world:run{ action = "cancel=self,poweroff:3", targets = { "lab01" } }.text
end
return { same = function() assert(story(3) == story(3)) assert(story(3) ~= story(4)) end }
`) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each is wrong in its own way, and says so with its place.
func TestFailures(t *testing.T) {
	want := map[string]string{
		"raises":      "x_test.lua:3: no",
		"not_raised":  `x_test.lua:5: the error "anything" was not raised`,
		"other_words": `x_test.lua:8: an error was raised, without the words "a wrong word"`,
		"other_line":  `x_test.lua:12: the error "boom" was not raised, but another one`,
		"raised":      "",
		"two":         `x_test.lua:20: the test ended at x_test.lua:19`,
		"bad_world":   `lab01: unknown key "gests"`,
		"bad_kind":    "lab01: boot is soon; accepted: a number of seconds",
		"bad_word":    "lab01: hypervisor is hyperv; accepted: kvm, qemu",
		"no_name":     "is empty",
		"no_power":    "",
		"no_machine":  "world has no such machine",
	}
	got := runText(t, `local M = {}
function M.raises()
  error("no")
end
function M.not_raised() local x = 1 --> error: anything
end
function M.other_words()
  error("boom") --> error: a wrong word
end
function M.other_line()
  if wol then error("x") end error("boom2")
  error("boom") --> error: boom
end
function M.raised()
  local x = "a"
  sim.tool{ arg = x } --> error: unknown option "arg"
end
function M.two()
  error("one") --> error: one
  error("two") --> error: two
end
function M.bad_world() sim.world{ machines = { lab01 = { gests = {} } } } end
function M.bad_kind() sim.world{ machines = { lab01 = { boot = "soon" } } } end
function M.bad_word() sim.world{ machines = { lab01 = { hypervisor = "hyperv" } } } end
function M.no_name() sim.world{ machines = { [""] = {} } } end
function M.no_power() assert(wol == nil and shutdown == nil and remote == nil and ipmi == nil) end
function M.no_machine() sim.world{ machines = {} }:state("lab01") end
return M
`)
	for name, words := range want {
		err, ran := got[name]
		switch {
		case !ran:
			t.Errorf("%s was not run", name)
		case words == "" && err != nil, words != "" && (err == nil || !strings.Contains(err.Error(), words)):
			t.Errorf("%s: %v, want %q", name, err, words)
		}
	}
}

func TestFilesThatAreNoTests(t *testing.T) {
	for text, words := range map[string]string{
		"return 1":       "a table of functions",
		"return {}":      "a table of functions",
		"local x = ":     "x_test.lua",
		"error('early')": "early",
		"":               "a table of functions",
	} {
		_, err := Run(context.Background(), "x_test", Options{Path: path(map[string]string{"x_test.lua": text}), Clock: primitives.SystemClock{}})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
