package luabind

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Format shows a value as the REPL and ctys eval print it: tables with their
// fields, handles by their identity, secrets never.
func Format(value lua.LValue) string {
	var b strings.Builder
	formatInto(&b, value, 0, "")
	return b.String()
}

func formatInto(b *strings.Builder, value lua.LValue, depth int, indent string) {
	switch v := value.(type) {
	case lua.LString:
		if depth == 0 {
			b.WriteString(string(v))
			return
		}
		b.WriteString(strconv.Quote(string(v)))
	case *lua.LTable:
		formatTable(b, v, depth, indent)
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

func formatTable(b *strings.Builder, table *lua.LTable, depth int, indent string) {
	if meta, ok := table.Metatable.(*lua.LTable); ok && meta.RawGetString("__tostring") != lua.LNil && table.RawGetString("kind") != lua.LNil {
		b.WriteString(errorString(table))
		return
	}
	if depth >= maxDepth/4 {
		b.WriteString("{…}")
		return
	}
	parts := tableParts(table, depth, indent+"  ")
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

func tableParts(table *lua.LTable, depth int, indent string) []string {
	var parts, keyed []string
	length := table.Len()
	for i := 1; i <= length; i++ {
		parts = append(parts, formatPart("", table.RawGetInt(i), depth, indent))
	}
	table.ForEach(func(key, value lua.LValue) {
		if number, ok := key.(lua.LNumber); ok && number >= 1 && int(number) <= length {
			return
		}
		keyed = append(keyed, formatPart(formatKey(key)+" = ", value, depth, indent))
	})
	sort.Strings(keyed)
	return append(parts, keyed...)
}

func formatPart(prefix string, value lua.LValue, depth int, indent string) string {
	var b strings.Builder
	b.WriteString(prefix)
	formatInto(&b, value, depth+1, indent)
	return b.String()
}

func formatKey(key lua.LValue) string {
	if word, ok := key.(lua.LString); ok && isName(string(word)) {
		return string(word)
	}
	var b strings.Builder
	formatInto(&b, key, 1, "")
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
