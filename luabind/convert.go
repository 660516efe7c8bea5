package luabind

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// toLua turns what a power returned into Lua values: records become tables
// with snake_case keys, lists become sequences, durations and times become
// seconds, and whatever has a String method becomes that text. Zero MAC
// addresses and empty strings become nil, so that scripts can test for them;
// an empty string in a list or a map is data and stays.
func (rt *Runtime) toLua(value any) lua.LValue {
	switch v := value.(type) {
	case nil:
		return lua.LNil
	case lua.LValue:
		return v
	case error:
		return rt.errorValue(v)
	case time.Duration:
		return lua.LNumber(v.Seconds())
	case time.Time:
		if v.IsZero() {
			return lua.LNil
		}
		return lua.LNumber(float64(v.UnixNano()) / 1e9)
	case primitives.MAC:
		if v.IsZero() {
			return lua.LNil
		}
		return lua.LString(v.String())
	case primitives.Secret:
		return rt.secretValue(v)
	case primitives.Power:
		return lua.LString(v.String())
	}
	return rt.reflectToLua(reflect.ValueOf(value))
}

func (rt *Runtime) reflectToLua(value reflect.Value) lua.LValue {
	switch value.Kind() {
	case reflect.Bool:
		return lua.LBool(value.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return lua.LNumber(value.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return lua.LNumber(value.Uint())
	case reflect.Float32, reflect.Float64:
		return lua.LNumber(value.Float())
	case reflect.String:
		if value.Len() == 0 {
			return lua.LNil
		}
		return lua.LString(value.String())
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return lua.LNil
		}
		return rt.toLua(value.Elem().Interface())
	case reflect.Slice, reflect.Array:
		return rt.listToLua(value)
	case reflect.Map:
		return rt.mapToLua(value)
	case reflect.Struct:
		if text, ok := value.Interface().(fmt.Stringer); ok {
			return lua.LString(text.String())
		}
		return rt.recordToLua(value)
	}
	return lua.LNil
}

func (rt *Runtime) listToLua(value reflect.Value) lua.LValue {
	if bytes, ok := value.Interface().([]byte); ok {
		return lua.LString(bytes)
	}
	table := rt.root.CreateTable(value.Len(), 0)
	for i := range value.Len() {
		table.RawSetInt(i+1, rt.elementToLua(value.Index(i).Interface()))
	}
	return table
}

func (rt *Runtime) mapToLua(value reflect.Value) lua.LValue {
	table := rt.root.CreateTable(0, value.Len())
	for _, key := range sortedKeys(value) {
		table.RawSetString(key.String(), rt.elementToLua(value.MapIndex(key).Interface()))
	}
	return table
}

func (rt *Runtime) elementToLua(value any) lua.LValue {
	if text, ok := value.(string); ok {
		return lua.LString(text)
	}
	return rt.toLua(value)
}

func sortedKeys(value reflect.Value) []reflect.Value {
	keys := value.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

func (rt *Runtime) recordToLua(value reflect.Value) lua.LValue {
	type pair struct {
		key   string
		value lua.LValue
	}
	fields := fieldsOf(value.Type())
	pairs := make([]pair, 0, len(fields))
	for _, field := range fields {
		if v := rt.toLua(value.FieldByIndex(field.index).Interface()); v != lua.LNil {
			pairs = append(pairs, pair{field.key, v})
		}
	}
	table := rt.root.CreateTable(0, len(pairs))
	for _, p := range pairs {
		table.RawSetString(p.key, p.value)
	}
	return table
}

// recordField is a field of a Go struct as Lua sees it.
type recordField struct {
	key   string
	index []int
}

// records keeps what fieldsOf has found, by type: the names of a struct's
// fields are the same for each of thousands of rows.
var records sync.Map // reflect.Type → []recordField

// fieldsOf gives the exported fields, those of embedded structs among them.
func fieldsOf(record reflect.Type) []recordField {
	if known, ok := records.Load(record); ok {
		return known.([]recordField)
	}
	var fields []recordField
	for i := range record.NumField() {
		field := record.Field(i)
		switch {
		case !field.IsExported():
		case field.Anonymous:
			for _, inner := range fieldsOf(field.Type) {
				fields = append(fields, recordField{inner.key, append([]int{i}, inner.index...)})
			}
		default:
			fields = append(fields, recordField{snake(field.Name), []int{i}})
		}
	}
	records.Store(record, fields)
	return fields
}

// snake turns a Go name into a Lua key: DefaultRoute → default_route, MACs → macs.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		lowerBefore := i > 0 && unicode.IsLower(runes[i-1])
		wordAfterAcronym := i > 0 && unicode.IsUpper(runes[i-1]) && i+2 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsLower(runes[i+2])
		if unicode.IsUpper(r) && (lowerBefore || wordAfterAcronym) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// fromLua turns a Lua value into plain Go data (nil, bool, float64, string,
// []any, map[string]any) as JSON has it. What has no such form is named in
// words, and a secret never gives its value.
func fromLua(value lua.LValue) any {
	return fromLuaInside(value, nil)
}

// maxDepth bounds how deep tables may stand in each other.
const maxDepth = 32

// fromLuaInside is fromLua inside of the tables that it is reached through. One
// of these is not gone into again: a tree whose nodes name their parent would
// otherwise be copied without end.
func fromLuaInside(value lua.LValue, outer []*lua.LTable) any {
	switch v := value.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LNumber:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return v.String()
		}
		return float64(v)
	case lua.LString:
		return string(v)
	case *lua.LTable:
		if len(outer) >= maxDepth || slices.Contains(outer, v) {
			return "…"
		}
		return tableFromLua(v, append(outer, v))
	case *lua.LUserData:
		return plainUserData(v.Value)
	case *lua.LNilType:
		return nil
	}
	return value.Type().String()
}

func plainUserData(value any) any {
	switch v := value.(type) {
	case *Handle:
		return v.ID
	case fmt.Stringer:
		return v.String()
	}
	return "userdata"
}

func tableFromLua(table *lua.LTable, path []*lua.LTable) any {
	record := map[string]any{}
	table.ForEach(func(key, value lua.LValue) {
		record[key.String()] = fromLuaInside(value, path)
	})
	if table.Len() == 0 || len(record) != table.Len() {
		return record
	}
	list := make([]any, 0, table.Len())
	for i := 1; i <= table.Len(); i++ {
		list = append(list, record[lua.LNumber(i).String()])
	}
	return list
}
