// Package policy runs the stock scripts on simulated worlds: what real
// hypervisors and hosts cannot do on demand.
package policy

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/luabind/simulated"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// scene is a world with an inventory of all its machines, and the desk in it.
type scene struct {
	known // of the machines and their BMCs

	t         testing.TB
	clock     *sim.Clock
	world     *sim.World
	rows      map[string]string // further keys of a machine's row
	instead   map[string]string // whole rows that stand for a machine's own; "" is none
	site      map[string]any
	overrides map[string]string // a site's own scripts
	yes, plan bool
	types     []any          // -T
	options   map[string]any // in a target's own parentheses
	desk      string         // machine on which ctys is called; "" is the operator's own
	kept      *journal.Machines
	keeper    *journal.Machines // where agents' records go; nil: to kept
	events    []luabind.Event
	stopAt    string // the run is stopped when a step of this name begins
	journal   *lastRecord
	history   *journal.History // of an earlier run, which the next one resumes
}

func newScene(t testing.TB, build func(clock *sim.Clock) *sim.World) *scene {
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	s := &scene{t: t, clock: clock, world: build(clock), rows: map[string]string{}, site: inventory.DefaultSite().Values()}
	s.kept = &journal.Machines{Dir: filepath.Join(t.TempDir(), "machines"), Clock: clock}
	t.Cleanup(s.world.Close)
	return s
}

func rack(t testing.TB) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World { return sim.Rack(1, clock, sim.Shape{}) })
}

func (s *scene) inventory() *inventory.Inventory {
	var text strings.Builder
	text.WriteString("return {\n")
	for _, name := range s.world.Names() {
		m, _ := s.world.Machine(name)
		if row, given := s.instead[name]; given {
			text.WriteString(row)
			continue
		}
		fmt.Fprintf(&text, "%s = { address = %q, mac = %q, uuid = %q, port = %d,", m.Name, m.Address, m.MAC, m.UUID, max(m.SSHPort, 22))
		if m.Parent != "" {
			fmt.Fprintf(&text, " parent = %q,", m.Parent)
		}
		if m.BMC != nil {
			fmt.Fprintf(&text, " bmc = { host = %q, port = %d, user = \"admin\", password = secret.env(\"LAB_PW\") },", m.BMC.Host, m.BMC.Port)
		}
		text.WriteString(" " + s.rows[name] + " },\n")
	}
	text.WriteString("}\n")
	inv, err := inventory.Parse("machines.lua", []byte(s.known.in(text.String())))
	if err != nil {
		s.t.Fatal(err)
	}
	return inv
}

// authority is what ctys gives a script that it finds by name: its head's.
func (s *scene) authority(path []fs.FS, script string) *luabind.Authority {
	s.t.Helper()
	source, err := luabind.Find(path, script)
	if err != nil {
		s.t.Fatal(err)
	}
	head, err := luabind.ReadHead(path, source)
	if err != nil {
		s.t.Fatal(err)
	}
	authority := head.Authority()
	return &authority
}

// form runs "-t TYPE -a ACTION=SUBOPTS TARGETS" at the desk.
func (s *scene) form(kind, action, subopts string, targets ...string) (exit int, err error) {
	s.t.Helper()
	s.t.Setenv("LAB_PW", s.bmcPassword())
	list := []any{}
	for _, target := range targets {
		own := map[string]any{}
		maps.Copy(own, s.options)
		list = append(list, map[string]any{"name": target, "options": own})
	}
	path := simulated.Path(s.overrides)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	options := luabind.Options{
		Authority: s.authority(path, action),
		Machines:  s.kept,
		Inventory: s.inventory(),
		Settings:  s.site,
		Yes:       s.yes,
		Plan:      s.plan,
		Path:      path,
		Events: func(event luabind.Event) {
			s.events = append(s.events, event)
			if s.stopAt != "" && event.Kind == luabind.KindStep && event.Text == s.stopAt {
				stop()
			}
		},
		History: s.history,
	}
	if s.journal != nil {
		s.journal.stop = stop
		options.Journal = s.journal
	}
	powers := simulated.Desk(s.world, s.desk, cmp.Or(s.keeper, s.kept))
	defer simulated.Release(powers)
	runtime := luabind.New(powers, options)
	result, err := runtime.CallScript(ctx, action, "action", map[string]any{
		"action": action, "type": kind, "subopts": subopts, "targets": list,
		"options": map[string]any{"yes": s.yes, "types": s.types},
	})
	if err != nil {
		return -1, err
	}
	code, _ := result.(map[string]any)["exit"].(float64)
	return int(code), nil
}

func (s *scene) cancel(kind, subopts string, targets ...string) int {
	s.t.Helper()
	exit, err := s.form(kind, "cancel", subopts, targets...)
	if err != nil {
		s.t.Fatalf("cancel=%s: %v\n%s", subopts, err, s.story())
	}
	return exit
}

// story is what the user would have been told, for a failure's message.
func (s *scene) story() string {
	var b strings.Builder
	for _, event := range s.events {
		fmt.Fprintf(&b, "%8.3f %-10s %-6s %s %s %s %s", event.At.Sub(time.Unix(1_700_000_000, 0)).Seconds(), event.Kind, event.Host, event.Text, event.Op, event.Object, event.State)
		if event.Error != nil {
			fmt.Fprintf(&b, " ERROR %s: %s", event.Error.Kind, event.Error.Message)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *scene) off(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if phase := s.world.State(name).Phase; phase != sim.Off {
			s.t.Errorf("%s is %s, want off\n%s", name, phase, s.story())
		}
	}
}

func (s *scene) up(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if phase := s.world.State(name).Phase; phase != sim.Up {
			s.t.Errorf("%s is %s, want up\n%s", name, phase, s.story())
		}
	}
}

// powered: what its hypervisor calls running, although it may still boot.
func (s *scene) powered(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if s.world.State(name).Power != primitives.PowerOn {
			s.t.Errorf("%s does not run\n%s", name, s.story())
		}
	}
}

// nobodyLost: no guest may ever be killed by its host's power-off.
func (s *scene) nobodyLost() {
	s.t.Helper()
	if lost := s.world.Lost(); len(lost) > 0 {
		s.t.Errorf("guests were killed by their host: %v\n%s", lost, s.story())
	}
}

func (s *scene) exits(got, want int) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("exit %d, want %d\n%s", got, want, s.story())
	}
}

func (s *scene) told(words ...string) {
	s.t.Helper()
	story := s.story()
	for _, word := range words {
		if !strings.Contains(story, word) {
			s.t.Errorf("the user was not told %q\n%s", word, story)
		}
	}
}

// after expects that a machine went off after the others had.
func (s *scene) after(last string, others ...string) {
	s.t.Helper()
	off := map[string]time.Duration{}
	for _, entry := range s.world.Log() {
		if entry.Machine != "" && entry.To == sim.Off {
			off[entry.Machine] = entry.At
		}
	}
	for _, other := range others {
		if other != last && off[other] > off[last] {
			s.t.Errorf("%s went off at %s, %s at %s\n%s", other, off[other], last, off[last], s.story())
		}
	}
}
