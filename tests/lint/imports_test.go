package lint

import (
	"fmt"
	"path"
	"strings"
	"testing"
)

const module = "ctys"

func TestImportsRunOneWay(t *testing.T) {
	for _, s := range sources(t, "cmd", "luabind", "primitives", "scripts", "stdlib") {
		for spec, imported := range s.imports() {
			if fault := importFault(path.Dir(s.path), imported); fault != "" {
				t.Errorf("%s: %s", s.at(spec), fault)
			}
		}
	}
}

// importFault says why a package in a folder may not import another; empty
// where it may, or where the other is not of this module.
func importFault(folder, imported string) string {
	other, ours := strings.CutPrefix(imported, module+"/")
	if !ours || mayImport(folder, other) {
		return ""
	}
	return fmt.Sprintf("%s must not import %s: imports run cmd → luabind → primitives, and no primitive but sim knows another", folder, other)
}

func mayImport(folder, other string) bool {
	switch room, _, _ := strings.Cut(folder, "/"); room {
	case "cmd":
		return within(other, "cmd") || within(other, "luabind")
	case "luabind":
		return within(other, "luabind") || within(other, "primitives") || other == "scripts" || other == "stdlib"
	case "primitives":
		return folder != "primitives" && (other == "primitives" || within(other, power(folder)) || within(folder, "primitives/sim") && within(other, "primitives"))
	}
	return false // scripts and stdlib only embed their files
}

// power is the folder of the primitive that a folder belongs to.
func power(folder string) string {
	words := strings.SplitN(folder, "/", 3)
	return strings.Join(words[:min(2, len(words))], "/")
}

func within(folder, top string) bool { return folder == top || strings.HasPrefix(folder, top+"/") }

func TestImportRule(t *testing.T) {
	for _, c := range []struct {
		folder, imported string
		may              bool
	}{
		{"cmd/ctys", "ctys/luabind", true},
		{"cmd/ctys", "ctys/luabind/real", true},
		{"cmd/ctys", "ctys/cmd/ctys/form", true},
		{"cmd/ctys", "ctys/primitives", false},
		{"cmd/ctys", "ctys/primitives/wol", false},
		{"cmd/ctys", "ctys/scripts", false},
		{"luabind", "ctys/primitives/wol", true},
		{"luabind", "ctys/stdlib", true},
		{"luabind", "ctys/cmd/ctys/form", false},
		{"luabind", "ctys/tests/netns", false},
		{"primitives", "ctys/primitives/wol", false},
		{"primitives/wol", "ctys/primitives", true},
		{"primitives/wol", "ctys/primitives/nic", false},
		{"primitives/wol", "ctys/luabind", false},
		{"primitives/stack/xl", "ctys/primitives/stack", true},
		{"primitives/sim", "ctys/primitives/ipmi", true},
		{"primitives/sim/lab", "ctys/primitives/ipmi", true},
		{"primitives/sim/lab", "ctys/luabind", false},
		{"primitives/simple", "ctys/primitives/ipmi", false},
		{"scripts", "ctys/stdlib", false},
		{"scripts", "embed", true},
	} {
		if fault := importFault(c.folder, c.imported); (fault == "") != c.may {
			t.Errorf("%s imports %s: want allowed %v, got %q", c.folder, c.imported, c.may, fault)
		}
	}
}
