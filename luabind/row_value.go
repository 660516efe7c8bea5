package luabind

import (
	"context"

	"ctys/luabind/inventory"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

func (rt *Runtime) rowList(rows []*inventory.Row) lua.LValue {
	list := rt.root.CreateTable(len(rows), 0)
	for i, row := range rows {
		list.RawSetInt(i+1, rt.rowValue(row))
	}
	return list
}

// rowValue gives a row to scripts, its secrets as references; what the row does
// not say is nil. It is made anew for each who asks, thousands of times in a run.
func (rt *Runtime) rowValue(row *inventory.Row) lua.LValue {
	if row == nil {
		return lua.LNil
	}
	fields := make(rowFields, 0, 28)
	fields.text("name", row.Name)
	fields.text("address", row.Address)
	if !row.MAC.IsZero() {
		fields.text("mac", row.MAC.String())
	}
	fields.text("uuid", row.UUID)
	fields.text("parent", row.Parent)
	if row.Hypervisors != nil { // an empty list says that it carries nothing
		fields.add("hypervisors", rt.toLua(row.Hypervisors))
	}
	fields.text("become", row.Become)
	fields.add("record", lua.LNumber(row.Record))
	fields.add("line", lua.LNumber(row.Line))
	fields.text("user", row.User)
	fields.text("identity", row.Identity)
	fields.number("port", float64(row.Port))
	fields.add("password", rt.dataValue(row.Name, row.Password))
	fields.add("bmc", rt.bmcValue(row))
	fields.text("label", row.Label)
	fields.text("path", row.Path)
	fields.number("deadline", row.Deadline.Seconds())
	fields.text("at_deadline", row.AtDeadline)
	fields.add("after", rt.toLua(row.After))
	fields.number("stage", float64(row.Stage))
	if len(row.Way) > 0 {
		fields.add("way", rt.toLua(row.Way))
	}
	fields.number("limit", float64(row.Limit))
	fields.number("limit_per_hypervisor", float64(row.LimitPerHypervisor))
	fields.text("broadcast", row.Broadcast)
	fields.number("broadcast_port", float64(row.BroadcastPort))
	fields.text("interface", row.Interface)
	for key, value := range row.Extra {
		fields.add(key, rt.dataValue(row.Name, value))
	}
	return fields.table(rt)
}

func (rt *Runtime) bmcValue(row *inventory.Row) lua.LValue {
	if row.BMC == nil {
		return lua.LNil
	}
	fields := make(rowFields, 0, 5)
	fields.text("host", row.BMC.Host)
	fields.number("port", float64(row.BMC.Port))
	fields.text("user", row.BMC.User)
	fields.add("password", rt.dataValue(row.Name, row.BMC.Password))
	fields.text("via", row.BMC.Via)
	return fields.table(rt)
}

// rowFields are the fields of a table that is made when all are known, so that
// it is as large as it must be.
type rowFields []rowField

type rowField struct {
	key   string
	value lua.LValue
}

func (f *rowFields) add(key string, value lua.LValue) {
	if value != lua.LNil {
		*f = append(*f, rowField{key, value})
	}
}

func (f *rowFields) text(key, text string) {
	if text != "" {
		*f = append(*f, rowField{key, lua.LString(text)})
	}
}

// number leaves out what the row does not say.
func (f *rowFields) number(key string, n float64) {
	if n != 0 {
		*f = append(*f, rowField{key, lua.LNumber(n)})
	}
}

func (f rowFields) table(rt *Runtime) *lua.LTable {
	table := rt.root.CreateTable(0, len(f))
	for _, field := range f {
		table.RawSetString(field.key, field.value)
	}
	return table
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
