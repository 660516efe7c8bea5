package lint

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// systemTime is what reads or waits on the system's clock. Code that uses it
// lies in a simulated world.
var systemTime = map[string][]string{
	"time":    {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
}

// theClock is the one place that may: primitives.SystemClock.
const theClock = "primitives/clock.go"

func TestTimeIsThatOfTheGivenClock(t *testing.T) {
	for _, s := range sources(t, "luabind", "primitives") {
		if s.path == theClock {
			continue
		}
		for _, fault := range clockFaults(s) {
			t.Error(fault)
		}
	}
}

func clockFaults(s source) (faults []string) {
	for path, forbidden := range systemTime {
		name := s.nameOf(path)
		if name == "." {
			faults = append(faults, fmt.Sprintf("%s: imports %q without its name, so uses of its clock cannot be seen", s.path, path))
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && name != "" && pkg.Name == name && slices.Contains(forbidden, selector.Sel.Name) {
				faults = append(faults, fmt.Sprintf("%s: %s.%s is the system's clock; use the one that was given (primitives.Clock)", s.at(node), name, selector.Sel.Name))
			}
			return true
		})
	}
	return faults
}

func TestClockRuleSeesThroughNames(t *testing.T) {
	for text, want := range map[string]int{
		"package p\nimport \"time\"\nvar x = time.Now()":                                    1,
		"package p\nimport clock \"time\"\nvar x = clock.After(1)":                          1,
		"package p\nimport \"time\"\nvar now = time.Now":                                    1,
		"package p\nimport . \"time\"\nvar x = Now()":                                       1,
		"package p\nimport \"context\"\nvar a, b = context.WithTimeout(nil, 1)":             1,
		"package p\nimport \"time\"\nvar x = time.Second\n// time.Now in a comment":         0,
		"package p\nimport \"time\"\nvar x = \"time.Now()\"; const y = time.Millisecond":    0,
		"package p\nimport \"example.org/time\"\nvar x = time.Now()":                        0,
		"package p\nimport \"time\"\ntype c struct{ Clock }\nfunc f(c c) { c.Clock.Now() }": 0,
	} {
		if faults := clockFaults(from(t, "p.go", text)); len(faults) != want {
			t.Errorf("want %d faults in\n%s\ngot %s", want, text, strings.Join(faults, "\n"))
		}
	}
}
