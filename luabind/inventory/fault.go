package inventory

import (
	"fmt"
	"strings"

	"ctys/primitives"
)

// source is the file that is being read: what its errors begin with.
type source struct {
	op   string // "inventory.load"
	name string
}

// at makes the error for a line of the file.
func (s source) at(line int, format string, args ...any) error {
	if line < 1 {
		line = 1
	}
	return primitives.Errorf(primitives.Invalid, s.op, "", "%s:%d: %s", s.name, line, fmt.Sprintf(format, args...))
}

// oneOf writes a choice for a reader: "a, b or c".
func oneOf(words []string) string {
	switch len(words) {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
