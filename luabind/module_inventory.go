package luabind

import (
	"context"
	"reflect"

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
				Name: "setting", Help: "A setting of the site (site.lua).", Args: []Param{{Name: "name", Type: String, Required: true}},
				Result: "its value, or its default; nil where it has neither", Example: `local most = inventory.setting("max_targets")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					return []lua.LValue{rt.dataValue("site", rt.options.Settings[c.String("name")])}, nil
				},
			},
		},
	}
}

func (rt *Runtime) rowList(rows []*inventory.Row) lua.LValue {
	list := rt.root.CreateTable(len(rows), 0)
	for i, row := range rows {
		list.RawSetInt(i+1, rt.rowValue(row))
	}
	return list
}

// rowValue gives a row to scripts, its secrets as references.
func (rt *Runtime) rowValue(row *inventory.Row) lua.LValue {
	if row == nil {
		return lua.LNil
	}
	table := rt.recordToLua(reflect.ValueOf(*row)).(*lua.LTable)
	for key, value := range row.Extra {
		table.RawSetString(key, rt.dataValue(row.Name, value))
	}
	table.RawSetString("extra", lua.LNil)
	if row.Hypervisors == nil { // an empty list says that it carries nothing
		table.RawSetString("hypervisors", lua.LNil)
	}
	table.RawSetString("password", rt.dataValue(row.Name, row.Password))
	for _, key := range []string{"port", "deadline", "broadcast_port"} {
		clearZero(table, key)
	}
	if row.BMC != nil {
		bmc := table.RawGetString("bmc").(*lua.LTable)
		bmc.RawSetString("password", rt.dataValue(row.Name, row.BMC.Password))
		bmc.RawSetString("extra", lua.LNil)
		clearZero(bmc, "port")
	}
	return table
}

// clearZero removes a number that the row does not say.
func clearZero(table *lua.LTable, key string) {
	if table.RawGetString(key) == lua.LNumber(0) {
		table.RawSetString(key, lua.LNil)
	}
}

// dataValue turns the plain data of an inventory into Lua values.
func (rt *Runtime) dataValue(row string, value any) lua.LValue {
	switch v := value.(type) {
	case inventory.SecretRef:
		if v.IsZero() {
			return lua.LNil
		}
		return rt.secretValue(primitives.Secret{Reveal: func(ctx context.Context) (string, error) {
			return rt.options.Inventory.Resolve(ctx, v, row)
		}})
	case map[string]any:
		table := rt.root.CreateTable(0, len(v))
		for key, inner := range v {
			table.RawSetString(key, rt.dataValue(row, inner))
		}
		return table
	case []any:
		table := rt.root.CreateTable(len(v), 0)
		for i, inner := range v {
			table.RawSetInt(i+1, rt.dataValue(row, inner))
		}
		return table
	}
	return rt.toLua(value)
}
