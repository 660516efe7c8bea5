package policy

import (
	"regexp"
	"testing"
)

// What an operator is told to type must be what TIMEOUT accepts, also on an
// inner level, whose deadline is a share of the outer one's.
func TestTheTimeoutThatIsNamedCanBeTyped(t *testing.T) {
	s := rack(t)
	s.rows["ct1"] = "deadline = 170"
	s.world.HangInShutdown("db1", true)
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 1)
	named := regexp.MustCompile(`type (TIMEOUT:[0-9.e+]*[0-9])`).FindAllStringSubmatch(s.story(), -1)
	if len(named) == 0 {
		t.Fatalf("no line to add\n%s", s.story())
	}
	for _, found := range named {
		if !regexp.MustCompile(`^TIMEOUT:\d+$`).MatchString(found[1]) {
			t.Fatalf("%s is refused", found[1])
		}
	}
	s.exits(s.cancel("pm", "poweroff:0,"+named[0][1], "lab01"), 0)
	s.off("db1")
}
