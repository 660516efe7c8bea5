package inventory

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// table is a Lua table that knows where it stands: named fields in the order
// in which they were set, and a list.
type table struct {
	line  int
	keys  []string
	named map[string]value
	list  []value
}

// value is a string, float64, bool, SecretRef or *table, and its line.
type value struct {
	data any
	line int
}

const (
	maxLevels = 16        // of tables within tables
	maxValues = 5_000_000 // in all; tables that stand in several places count each time
)

// converter takes what a file returned out of Lua.
type converter struct {
	src    source
	places map[*lua.LTable]tableLines
	count  int
}

func (c *converter) table(from *lua.LTable, line, level int) (*table, error) {
	place, known := c.places[from]
	if !known {
		place.line = line
	}
	if level > maxLevels {
		return nil, c.src.at(place.line, "more than %d levels of tables within tables (or a table within itself)", maxLevels)
	}
	to := &table{line: place.line, named: map[string]value{}}
	for key, item := from.Next(lua.LNil); key != lua.LNil; key, item = from.Next(key) {
		if c.count++; c.count > maxValues {
			return nil, c.src.at(place.line, "the file makes more than %d values", maxValues)
		}
		if err := c.field(to, place, key, item, level); err != nil {
			return nil, err
		}
	}
	return to, nil
}

func (c *converter) field(to *table, place tableLines, key, item lua.LValue, level int) error {
	switch k := key.(type) {
	case lua.LString:
		line := place.keys[string(k)]
		if line == 0 { // set after the table was made
			line = c.madeAt(item, place.line)
		}
		v, err := c.value(item, line, level)
		if err != nil {
			return err
		}
		to.keys = append(to.keys, string(k))
		to.named[string(k)] = v
		return nil
	case lua.LNumber:
		line := place.line
		if i := len(to.list); i < len(place.list) {
			line = place.list[i]
		}
		if float64(k) != float64(len(to.list)+1) {
			return c.src.at(line, "a list has a gap: index %v comes after %d", k, len(to.list))
		}
		v, err := c.value(item, line, level)
		to.list = append(to.list, v)
		return err
	}
	return c.src.at(place.line, "a key must be text, and is %s", luaKind(key))
}

// madeAt is the line of a table's constructor, and for all else fallback.
func (c *converter) madeAt(item lua.LValue, fallback int) int {
	if t, ok := item.(*lua.LTable); ok {
		if place, known := c.places[t]; known {
			return place.line
		}
	}
	return fallback
}

func (c *converter) value(item lua.LValue, line, level int) (value, error) {
	switch v := item.(type) {
	case lua.LString:
		return value{string(v), line}, nil
	case lua.LBool:
		return value{bool(v), line}, nil
	case lua.LNumber:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return value{}, c.src.at(line, "a number must be finite")
		}
		return value{float64(v), line}, nil
	case *lua.LUserData:
		if ref, ok := v.Value.(SecretRef); ok {
			return value{ref, line}, nil
		}
	case *lua.LTable:
		inner, err := c.table(v, line, level+1)
		if err != nil {
			return value{}, err
		}
		return value{inner, line}, nil
	}
	return value{}, c.src.at(line, "the file is data: %s is no value here (accepted: text, numbers, true, false, tables, secrets)", luaKind(item))
}

// describe names a value for an error; text and numbers are shown.
func describe(v value) string {
	switch d := v.data.(type) {
	case string:
		return quoted(d)
	case float64:
		return numberText(d)
	case bool:
		if d {
			return "true"
		}
		return "false"
	case SecretRef:
		return "a secret"
	}
	return "a table"
}
