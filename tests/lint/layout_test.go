package lint

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms is everything that may be at the top, beside files that begin with a dot.
var rooms = []string{
	"cmd", "luabind", "primitives", "scripts", "stdlib", "tests", "docs",
	"go.mod", "go.sum", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md",
}

// made is what building leaves; .gitignore names it.
var made = []string{"bin"}

func TestNothingElseIsAtTheTop(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(rooms, name) && !slices.Contains(made, name) {
			t.Errorf("%s does not belong at the top", name)
		}
	}
}

// TestGoInTheRoomsOfLua: scripts and stdlib are trees of Lua; their one Go file
// embeds them.
func TestGoInTheRoomsOfLua(t *testing.T) {
	for _, s := range sources(t, "scripts", "stdlib") {
		if !strings.HasSuffix(s.path, "/embed.go") {
			t.Errorf("%s: only embed.go is Go here", s.path)
		}
	}
}

// TestShellScriptsParse: they run on machines where nobody has tried them.
func TestShellScriptsParse(t *testing.T) {
	for _, script := range []string{".ci/run", "tests/test-deps", "tests/fuzz", "tests/demo/run"} {
		if out, err := exec.Command("sh", "-n", root+"/"+script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}
