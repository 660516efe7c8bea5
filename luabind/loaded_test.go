package luabind

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
	"ctys/primitives/wol"
)

// A runtime goes on with a script that was loaded to read its head only where it
// would see the same if it loaded the script itself; and it cannot tell.
func TestLoadedIsTakenOver(t *testing.T) {
	for _, test := range []struct {
		text   string
		taken  bool
		action string // what it returns
	}{
		{"return { action = function() return 'done' end }", true, "done"},
		{"local n = 0 return { action = function() n = n + 1 return tostring(n) end }", true, "1"},
		{"mode = 'slow' return { action = function() return mode end }", true, "slow"},
		{"local task = task return { action = function() return type(task.map) end }", true, "function"},
		{"local m = require 'other' return { action = function() return m.word end }", true, "other"},
		{"local sum = 0 for _, n in ipairs{1, 2} do sum = sum + n end return { action = function() return tostring(sum) end }", true, "3"},
		{"local self = ... return { action = function() return self end }", true, "script"},
		{"local wol = wol return { action = function() return type(wol) end }", false, "table"},
		{"local kind = rawequal(wol, nil) and 'none' or 'some' return { action = function() return kind end }", false, "some"},
		{"local s = inventory.setting('colour') return { action = function() return tostring(s) end }", false, "red"},
		{"local ok = pcall(inventory.setting, 'colour') return { action = function() return tostring(ok) end }", false, "true"},
		{"local roll = math.random() return { action = function() return 'rolled' end }", false, "rolled"},
		{"print('loaded') return { action = function() return 'printed' end }", false, "printed"},
		{"setmetatable(_G, { __index = function(_, k) return k end }) return { action = function() return sesame end }", false, "sesame"},
		{"local m = getmetatable(_G) or {} m.__newindex = function(t, k, v) rawset(t, k, v .. '!') end setmetatable(_G, m) return { action = function() x = 'set' return x end }", false, "set!"},
		{"local m = require 'loud' return { action = function() return m end }", false, "loud"},
	} {
		path := []fs.FS{fstest.MapFS{
			"script.lua": {Data: []byte(test.text)},
			"other.lua":  {Data: []byte("return { word = 'other' }")},
			"loud.lua":   {Data: []byte("print('loud') return 'loud'")},
		}}
		source, err := Find(path, "script")
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := Load(path, source)
		if err != nil {
			t.Fatal(test.text, err)
		}
		before := loaded.runtime
		for _, first := range []bool{true, false} {
			rt := New(Capabilities{Clock: sim.NewClock(time.Unix(1_700_000_000, 0)), WOL: wol.New()},
				Options{Path: path, Loaded: loaded, Stdout: io.Discard, Settings: map[string]any{"colour": "red"}})
			if taken := rt == before; taken != (first && test.taken) {
				t.Errorf("%s: taken over: %v, the first time: %v", test.text, taken, first)
			}
			got, err := rt.CallScript(context.Background(), "script", "action", nil)
			if err != nil || got != test.action {
				t.Errorf("%s: %v, %v; want %q", test.text, got, err, test.action)
			}
		}
	}
}

// What holds for a script while its head is read holds no longer afterwards.
func TestLoadedGetsItsOwnPowers(t *testing.T) {
	path := []fs.FS{fstest.MapFS{"script.lua": {Data: []byte(`
local M = { head = { touches = {} } }
function M.many() return #task.map({1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}, function(n) task.sleep(1) return n end) end
function M.list() return nic.list() end
return M`)}}}
	source, err := Find(path, "script")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path, source)
	if err != nil {
		t.Fatal(err)
	}
	authority := loaded.Head.Authority()
	rt := New(Capabilities{Clock: sim.NewClock(time.Unix(1_700_000_000, 0)), NIC: struct{ NIC }{}}, Options{Path: path, Loaded: loaded, Authority: &authority})
	if got, err := rt.CallScript(context.Background(), "script", "many", nil); err != nil || fmt.Sprint(got) != "20" {
		t.Errorf("20 tasks: %v, %v", got, err)
	}
	if _, err := rt.CallScript(context.Background(), "script", "list", nil); kindOf(err) != primitives.Denied {
		t.Errorf("a power that the head does not touch: %v", err)
	}
}

// No stock script sees or calls anything while it loads, and so none is loaded
// twice.
func TestStockScriptsAreTakenOver(t *testing.T) {
	for _, name := range Scripts(nil) {
		source, err := Find(nil, name)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := Load(nil, source)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.take() == nil {
			t.Errorf("%s does something while it loads", name)
		}
	}
}
