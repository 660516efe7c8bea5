package luabind

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Format shows a value as the REPL and ctys eval print it: tables with their
// fields, handles by their identity, secrets never.
func Format(value lua.LValue) string {
	var b strings.Builder
	formatInto(&b, value, nil, "")
	return b.String()
}

// formatInto shows a value inside of the tables that it is reached through.
func formatInto(b *strings.Builder, value lua.LValue, outer []*lua.LTable, indent string) {
	switch v := value.(type) {
	case lua.LString:
		if len(outer) == 0 {
			b.WriteString(string(v))
			return
		}
		b.WriteString(strconv.Quote(string(v)))
	case *lua.LTable:
		formatTable(b, v, outer, indent)
	case *lua.LUserData:
		formatUserData(b, v)
	default:
		b.WriteString(value.String())
	}
}

func formatUserData(b *strings.Builder, data *lua.LUserData) {
	switch v := data.Value.(type) {
	case *Handle:
		fmt.Fprintf(b, "<%s %s>", v.Type, strings.TrimSpace(v.Name+" "+v.ID))
	case fmt.Stringer:
		b.WriteString(v.String())
	default:
		b.WriteString("<userdata>")
	}
}

// lineWidth is the length up to which a table stands on one line.
const lineWidth = 72

func formatTable(b *strings.Builder, table *lua.LTable, outer []*lua.LTable, indent string) {
	if meta, ok := table.Metatable.(*lua.LTable); ok && meta.RawGetString("__tostring") != lua.LNil && table.RawGetString("kind") != lua.LNil {
		b.WriteString(errorString(table))
		return
	}
	if len(outer) >= maxDepth/4 || slices.Contains(outer, table) {
		b.WriteString("{…}")
		return
	}
	parts := tableParts(table, append(outer, table), indent+"  ")
	oneLine := "{" + strings.Join(parts, ", ") + "}"
	if len(oneLine)+len(indent) <= lineWidth && !strings.Contains(oneLine, "\n") {
		b.WriteString(oneLine)
		return
	}
	b.WriteString("{\n")
	for _, part := range parts {
		b.WriteString(indent + "  " + part + ",\n")
	}
	b.WriteString(indent + "}")
}

func tableParts(table *lua.LTable, path []*lua.LTable, indent string) []string {
	var parts, keyed []string
	length := table.Len()
	for i := 1; i <= length; i++ {
		parts = append(parts, formatPart("", table.RawGetInt(i), path, indent))
	}
	table.ForEach(func(key, value lua.LValue) {
		if number, ok := key.(lua.LNumber); ok && number >= 1 && int(number) <= length {
			return
		}
		keyed = append(keyed, formatPart(formatKey(key, path)+" = ", value, path, indent))
	})
	sort.Strings(keyed)
	return append(parts, keyed...)
}

func formatPart(prefix string, value lua.LValue, path []*lua.LTable, indent string) string {
	var b strings.Builder
	b.WriteString(prefix)
	formatInto(&b, value, path, indent)
	return b.String()
}

func formatKey(key lua.LValue, path []*lua.LTable) string {
	if word, ok := key.(lua.LString); ok && isName(string(word)) {
		return string(word)
	}
	var b strings.Builder
	formatInto(&b, key, path, "")
	return "[" + b.String() + "]"
}

func isName(word string) bool {
	for i, r := range word {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return word != ""
}
