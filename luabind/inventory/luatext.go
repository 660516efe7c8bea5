package inventory

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoted writes text as Lua source.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&b, "\\%03d", text[i])
		default:
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}

// numberText writes a number as Lua source that reads back as the same one.
func numberText(n float64) string {
	if n > -1e15 && n < 1e15 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// luaWords cannot be keys without brackets (Lua 5.1 manual, 2.1, and goto,
// which newer Lua reserves).
var luaWords = map[string]bool{
	"and": true, "break": true, "do": true, "else": true, "elseif": true, "end": true,
	"false": true, "for": true, "function": true, "goto": true, "if": true, "in": true,
	"local": true, "nil": true, "not": true, "or": true, "repeat": true, "return": true,
	"then": true, "true": true, "until": true, "while": true,
}

// keyText writes a key of a table constructor.
func keyText(key string) string {
	plain := key != "" && !luaWords[key] && !(key[0] >= '0' && key[0] <= '9')
	for i := 0; i < len(key) && plain; i++ {
		plain = letterOrDigit(key[i]) || key[i] == '_'
	}
	if plain {
		return key
	}
	return "[" + quoted(key) + "]"
}
