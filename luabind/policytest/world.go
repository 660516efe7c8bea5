package policytest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/sim"

	lua "github.com/yuin/gopher-lua"
)

// world is a simulated world with the inventory of its machines. Its clock is
// virtual and stands still between runs.
type world struct {
	path      []fs.FS
	sim       *sim.World
	inventory *inventory.Inventory
	settings  map[string]any
	names     map[string]string // of machines, by UUID
	kept      *journal.Machines
}

// epoch is when every world begins.
var epoch = time.Unix(1_700_000_000, 0)

// worlds makes the worlds of one test.
type worlds struct {
	path []fs.FS
	dir  string // of what machines keep; empty: nothing was made yet
	made []*world
}

// close ends what goes on in the worlds, and removes what machines kept.
func (w *worlds) close() {
	for _, made := range w.made {
		made.sim.Close()
	}
	if w.dir != "" {
		os.RemoveAll(w.dir)
	}
}

// folder is a new one for what the machines of the next world keep.
func (w *worlds) folder() (string, error) {
	if w.dir == "" {
		dir, err := os.MkdirTemp("", "ctys-test-")
		if err != nil {
			return "", primitives.Wrap("sim.world", "", "there is no place for what machines keep", err)
		}
		w.dir = dir
	}
	return filepath.Join(w.dir, strconv.Itoa(len(w.made))), nil
}

func (w *worlds) function() luabind.Function {
	return luabind.Function{
		Name: "world", Help: "Makes a world of simulated machines with its own virtual time.",
		Options: []luabind.Param{
			{Name: "machines", Type: luabind.Table, Required: true, Help: "by name, each a table: " + machineKeysHelp},
			{Name: "site", Type: luabind.Table, Help: "settings of the site, as in site.lua"},
			{Name: "seed", Type: luabind.Integer, Help: "of what is drawn: the same seed gives the same run, event for event"},
		},
		Result: "a world handle", Errors: []primitives.Kind{primitives.Invalid},
		Example: `local world = sim.world{ machines = { lab01 = { guests = { web1 = { shutdown = 5 } } } } }`,
		Run: func(c *luabind.Call) ([]lua.LValue, error) {
			made, err := newWorld(w.path, int64(c.Int("seed")), c.Table("machines"), c.Table("site"))
			if err != nil {
				return nil, err
			}
			dir, err := w.folder()
			if err != nil {
				return nil, err
			}
			made.kept = &journal.Machines{Dir: dir, Clock: made.sim.Clock()}
			w.made = append(w.made, made)
			fields := c.L.NewTable()
			names := c.L.NewTable()
			for _, name := range made.sim.Names() {
				names.Append(lua.LString(name))
			}
			fields.RawSetString("machines", names)
			return []lua.LValue{c.NewHandle("world", fmt.Sprintf("world %d", len(w.made)), made, fields)}, nil
		},
	}
}

func newWorld(path []fs.FS, seed int64, machines, site *lua.LTable) (*world, error) {
	plain, isTable := luabind.Plain(machines).(map[string]any)
	if !isTable {
		return nil, invalid("machines is a list; accepted: a table with names as keys")
	}
	w := &world{path: path, sim: sim.New(seed, sim.NewClock(epoch)), names: map[string]string{}}
	rows := &rowsText{}
	if err := w.add("", plain, rows); err != nil {
		return nil, err
	}
	for _, name := range w.sim.Names() {
		machine, _ := w.sim.Machine(name)
		w.names[machine.UUID] = name
	}
	text, err := rows.file(w.sim)
	if err == nil {
		w.inventory, err = inventory.Parse("machines", text)
	}
	if err != nil {
		return nil, err
	}
	w.settings, err = settings(site)
	return w, err
}

// settings are those of a site.lua with these values.
func settings(site *lua.LTable) (map[string]any, error) {
	values := inventory.DefaultSite().Values()
	if site == nil {
		return values, nil
	}
	plain, isTable := luabind.Plain(site).(map[string]any)
	if !isTable {
		return nil, invalid("site is a list; accepted: a table with settings as keys")
	}
	text, err := inventory.DataText(plain)
	if err != nil {
		return nil, err
	}
	read, err := inventory.ParseSite("site", []byte("return "+text))
	if err != nil {
		return nil, err
	}
	return read.Values(), nil
}

// add puts machines into the world, hosts before their guests, by name.
func (w *world) add(parent string, machines map[string]any, rows *rowsText) error {
	for _, name := range sortedKeys(machines) {
		fields, isTable := machines[name].(map[string]any)
		if !isTable {
			return invalid("%s is no table of what the machine is like", name)
		}
		spec := &spec{name: name, fields: fields, known: map[string]bool{}}
		machine := spec.machine(parent)
		guests, row := spec.table("guests"), spec.table("row")
		if err := spec.fault(); err != nil {
			return err
		}
		if name == "" || slices.Contains(w.sim.Names(), name) || name == sim.Desk {
			return invalid("%q stands there twice, is empty, or is the desk's own name", name)
		}
		if machine.Power == primitives.PowerOn && parent != "" && w.sim.State(parent).Phase != sim.Up {
			return invalid("%s is on, and its host %s is off", name, parent)
		}
		w.sim.Add(machine)
		rows.add(name, row)
		if err := w.add(name, guests, rows); err != nil {
			return err
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return primitives.Errorf(primitives.Invalid, "sim.world", "", format, args...)
}
