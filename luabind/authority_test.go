package luabind

import (
	"cmp"
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"ctys/luabind/inventory"
	"ctys/primitives/shutdown"
	"ctys/primitives/sim"
)

// doomed is a machine that takes every request to go down.
type doomed struct {
	hostname string // "desk" where empty
	taken    []shutdown.Request
}

func (*doomed) Supported(context.Context, shutdown.Request) error { return nil }
func (*doomed) Announce(context.Context, string) error            { return nil }
func (d *doomed) Do(_ context.Context, request shutdown.Request) (shutdown.Accepted, error) {
	d.taken = append(d.taken, request)
	return shutdown.Accepted{Via: "test"}, nil
}
func (*doomed) InRunLevel(context.Context, int) (bool, error) { return false, nil }
func (d *doomed) Identity(context.Context) (shutdown.Identity, error) {
	return shutdown.Identity{Hostname: cmp.Or(d.hostname, "desk"), BootID: "1"}, nil
}

// The leave to take this machine down belongs to the call that was given it,
// and to what that call spawns; not to its neighbours, and not to what follows.
func TestLeaveToTakeDownBelongsToOneCall(t *testing.T) {
	const apply = `shutdown.apply{machine = "localhost", method = "poweroff"}`
	tests := []struct{ name, source, want string }{
		{"the call itself", `action.at("localhost", "site", {sleep = 0, apply = true}, {take_down = true}); return "done"`, "done 1"},
		{"what it spawns", `action.at("localhost", "site", {spawn = true}, {take_down = true}); return "done"`, "done 1"},
		{"a neighbour", `local t = task.spawn(action.at, "localhost", "site", {sleep = 5}, {take_down = true})
			task.sleep(1)
			local ok, e = pcall(function() ` + apply + ` end)
			t:wait()
			return ok, e and e.kind`, "false denied 0"},
		{"after calls that overlapped", `task.map({3, 1, 2}, function(n) task.sleep(n / 10); action.at("localhost", "site", {sleep = n}, {take_down = true}) end)
			local ok, e = pcall(function() ` + apply + ` end)
			return ok, e and e.kind`, "false denied 0"},
		{"a call within that was not given it", `action.at("localhost", "site", {inner = true}, {take_down = true}); return "done"`, "done 1"},
	}
	site := fstest.MapFS{"site.lua": {Data: []byte(`local M = {}
		function M.here(request)
			if request.sleep then task.sleep(request.sleep) end
			if request.spawn then task.map({1}, function() ` + apply + ` end) end
			if request.inner then action.at("localhost", "site", {apply = true}) end
			if request.apply then ` + apply + ` end
			return {}
		end
		return M`)}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			machine := &doomed{}
			clock := sim.NewClock(time.Unix(1_700_000_000, 0))
			rt := New(Capabilities{Clock: clock, Shutdown: machine}, Options{Path: []fs.FS{site}})
			words := append(run(t, rt, test.source), string(rune('0'+len(machine.taken))))
			if got := strings.Join(words, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A name that another machine may have too does not stand for this one: "desk"
// is its host name, and all it knows of itself.
func TestNamesOfThisMachine(t *testing.T) {
	here, err := inventory.Parse("machines.lua", []byte(`return { desk = { address = "127.0.0.1" } }`))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := inventory.Parse("machines.lua", []byte(`return { desk = { address = "192.0.2.1" } }`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		hostname  string
		inventory *inventory.Inventory
		name      string
		want      bool
	}{
		{"desk", nil, "localhost", true},
		{"desk", nil, "Desk", true},
		{"desk", nil, "desk.example.org", false}, // of another domain, for all we know
		{"desk.example.com", nil, "desk", true},
		{"desk.example.com", nil, "desk.example.com", true},
		{"desk.example.com", nil, "desk.example.org", false},
		{"desk", nil, "desk2", false},
		{"desk", here, "desk", true},
		{"desk", elsewhere, "desk", false},
	} {
		rt := New(Capabilities{Shutdown: &doomed{hostname: test.hostname}}, Options{Inventory: test.inventory})
		if got := rt.isSelf(context.Background(), test.name); got != test.want {
			t.Errorf("%s on %s: %v", test.name, test.hostname, got)
		}
	}
}
