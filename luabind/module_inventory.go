package luabind

import (
	"context"
	"time"

	"ctys/luabind/inventory"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// inventoryModule is what the site wrote down about its machines.
func (rt *Runtime) inventoryModule() *Module {
	name := Param{Name: "name", Type: String, Required: true, Help: "a machine's name"}
	names := Param{Name: "names", Type: List, Required: true}
	return &Module{
		Name: "inventory",
		Help: "The site's machines and settings (machines.lua, site.lua).",
		Functions: []Function{
			{
				Name: "machine", Help: "One machine's row with its name; further keys of the row are there too.", Args: []Param{name},
				Result: "a table, or nil where the inventory has no such machine", Example: `local row = inventory.machine("lab01")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.rowValue(rt.options.Inventory.Row(c.String("name")))}, nil
				},
			},
			{
				Name: "machines", Help: "All rows, in the order of the file.", Result: "a list of tables",
				Example: `for _, m in ipairs(inventory.machines()) do print(m.name) end`,
				Run: func(*Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.rowList(rt.options.Inventory.Rows())}, nil
				},
			},
			{
				Name: "children", Help: "The machines whose parent this one is.", Args: []Param{name}, Result: "a list of tables",
				Example: `local guests = inventory.children("lab01")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.rowList(rt.options.Inventory.Children(c.String("name")))}, nil
				},
			},
			{
				Name: "lookup", Help: "The machines that an address of the ctys form names: L label, T name or IP address, M MAC, U UUID, F file name, I path, DR record number, B base path.",
				Args:   []Param{{Name: "kind", Type: String, Required: true}, {Name: "value", Type: String, Required: true}},
				Result: "a list of tables", Errors: []primitives.Kind{primitives.Invalid},
				Example: `local found = inventory.lookup("M", "52:54:00:12:34:56")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					rows, err := rt.options.Inventory.Lookup(c.String("kind"), c.String("value"))
					if err != nil {
						return nil, err
					}
					return []lua.LValue{rt.rowList(rows)}, nil
				},
			},
			{
				Name: "expand", Help: "Expands ranges (bmc[001-100]), groups (@rack7) and exclusions (!x).",
				Args: []Param{{Name: "words", Type: List, Required: true}}, Result: "a list of names, each once",
				Errors: []primitives.Kind{primitives.Invalid}, Example: `local names = inventory.expand{"lab[01-03]", "!lab02"}`,
				Run: func(c *Call) ([]lua.LValue, error) {
					list, err := rt.options.Inventory.Expand(c.Strings("words"))
					if err != nil {
						return nil, err
					}
					return []lua.LValue{rt.toLua(list)}, nil
				},
			},
			{
				Name: "fold", Help: "The inverse of expand: names that differ in their last number become one word with ranges.", Args: []Param{names},
				Result: "a list of words, sorted", Example: `print(table.concat(inventory.fold{"bmc1", "bmc2", "web"}, ","))`,
				Run: func(c *Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.toLua(inventory.Fold(c.Strings("names")))}, nil
				},
			},
			{
				Name: "sorted", Help: "Names as people sort them: lab2 before lab10.", Args: []Param{names},
				Result: "a list of names, each once", Example: `local list = inventory.sorted{"lab10", "lab2"}`,
				Run: func(c *Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.toLua(inventory.Sorted(c.Strings("names")))}, nil
				},
			},
			{
				Name: "kept", Help: "What an earlier run has kept here of a machine by journal.receipt, such as how it is woken. A file that is damaged is told, and counts as none.",
				Args: []Param{name}, Result: "what was kept, as plain data with kept_at (seconds since 1970); nil where nothing was, and on a machine other than the desk",
				Example: `local kept = inventory.kept("lab01")`,
				Run:     rt.inventoryKept,
			},
			{
				Name: "setting", Help: "A setting of the site (site.lua).", Args: []Param{{Name: "name", Type: String, Required: true}},
				Result: "its value, or its default; nil where it has neither", Example: `local most = inventory.setting("max_targets")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.dataValue("site", rt.options.Settings[c.String("name")])}, nil
				},
			},
		},
	}
}

// keptRecord is what journal.Machines has of a machine.
type keptRecord struct {
	data map[string]any
	at   time.Time
}

func (rt *Runtime) inventoryKept(c *Call) ([]lua.LValue, error) {
	machines, name := rt.options.Machines, c.String("name")
	if machines == nil {
		return []lua.LValue{lua.LNil}, nil
	}
	kept, err := Wait(rt, func(context.Context) (kept keptRecord, err error) {
		kept.data, kept.at, err = machines.Kept(name)
		return kept, err
	})
	if err != nil {
		rt.emit(Event{Kind: KindWarning, Text: err.Error()})
	}
	if err != nil || kept.data == nil {
		return []lua.LValue{lua.LNil}, nil
	}
	table := rt.toLua(kept.data).(*lua.LTable)
	table.RawSetString("kept_at", rt.toLua(kept.at))
	return []lua.LValue{table}, nil
}
