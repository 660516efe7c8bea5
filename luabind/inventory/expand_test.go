package inventory

import (
	"fmt"
	"strings"
	"testing"

	"ctys/primitives"
)

func TestExpand(t *testing.T) {
	inv := parseSample(t)
	for _, test := range []struct{ words, want string }{
		{"lab01", "lab01"},
		{"unknown.example.org", "unknown.example.org"},
		{"bmc[001-003,200]", "bmc001 bmc002 bmc003 bmc200"},
		{"bmc[8-11]", "bmc8 bmc9 bmc10 bmc11"},
		{"bmc[08-11]", "bmc08 bmc09 bmc10 bmc11"},
		{"bmc[098-101]", "bmc098 bmc099 bmc100 bmc101"},
		{"r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02"},
		{"n[1,1,1-2].x", "n1.x n2.x"},
		{"n[3,1]", "n3 n1"},
		{"[1-3]", "1 2 3"},
		{"root@n[1-2]", "root@n1 root@n2"},
		{"[fe80::1]", "[fe80::1]"},
		{"@rack7", "lab01 web1"},
		{"@all", "lab01 db1 web1 bmc-far"},
		{"web1 @rack7 web1", "web1 lab01"},
		{"@all !web1", "lab01 db1 bmc-far"},
		{"!web1 @all", "lab01 db1 bmc-far"},
		{"@all !@rack7", "db1 bmc-far"},
		{"@all !@rack7 lab01", "db1 bmc-far"},
		{"root@lab01 db1 !lab01", "db1"},
		{"x[1-4] !x[2-3]", "x1 x4"},
		{"web1 !db1", "web1"},
		{"", ""},
	} {
		got, err := inv.Expand(strings.Fields(test.words))
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v %v, want %s", test.words, got, err, test.want)
		}
	}
}

func TestExpandMalformed(t *testing.T) {
	const accepted = "(accepted: [1-8], [001-100,200])"
	inv := parseSample(t)
	for _, test := range []struct{ words, want string }{
		{"n[1-3", `"n[1-3": "[" is not closed by "]"`},
		{"n[", `"n[": "[" is not closed by "]"`},
		{"n[1[2]]", `"n[1[2]]": "[" is not closed by "]"`},
		{"n1-3]", `"n1-3]": "]" has no "[" before it`},
		{"n[1]]", `"n[1]]": "]" has no "[" before it`},
		{"]n[", `"]n[": "]" has no "[" before it`},
		{"n[]", `"n[]": "[]" is empty ` + accepted},
		{"n[,]", `"n[,]": "" is no number or range of numbers ` + accepted},
		{"n[1,]", `"n[1,]": "" is no number or range of numbers ` + accepted},
		{"n[1,,2]", `"n[1,,2]": "" is no number or range of numbers ` + accepted},
		{"n[-]", `"n[-]": "-" is no number or range of numbers ` + accepted},
		{"n[1-]", `"n[1-]": "1-" is no number or range of numbers ` + accepted},
		{"n[-3]", `"n[-3]": "-3" is no number or range of numbers ` + accepted},
		{"n[1--3]", `"n[1--3]": "1--3" is no number or range of numbers ` + accepted},
		{"n[1-2-3]", `"n[1-2-3]": "1-2-3" is no number or range of numbers ` + accepted},
		{"n[a-c]", `"n[a-c]": "a-c" is no number or range of numbers ` + accepted},
		{"n[0x1-0x3]", `"n[0x1-0x3]": "0x1-0x3" is no number or range of numbers ` + accepted},
		{"n[1..3]", `"n[1..3]": "1..3" is no number or range of numbers ` + accepted},
		{"n[+1]", `"n[+1]": "+1" is no number or range of numbers ` + accepted},
		{"n[１]", `"n[１]": "１" is no number or range of numbers ` + accepted},
		{"n[1:3]", `"n[1:3]": "1:3" is no number or range of numbers ` + accepted},
		{"n[3-1]", `"n[3-1]": "3-1" counts down; write it as 1-3`},
		{"n[5-010]", `"n[5-010]": "5-010": both ends must have as many digits where there are zeros in front`},
		{"n[1-1000000000]", `"n[1-1000000000]": "1-1000000000": a number has at most 9 digits`},
		{"n[1-100001]", `"n[1-100001]": this comes to more than 100000 names`},
		{"n[1-999][1-999]", `"n[1-999][1-999]": this comes to more than 100000 names`},
		{"n[1-999999999][1-999999999][1-999999999]", `this comes to more than 100000 names`},
		{"n[1-60000] m[1-60000]", `"m[1-60000]": this comes to more than 100000 names`},
		{"!", `"!": a name is missing`},
		{"@nobody", `"@nobody": there is no group @nobody in the inventory (known: @rack7, @both, @all)`},
		{"@rack[7-8]", `"@rack[7-8]": there is no group @rack8 in the inventory (known: @rack7, @both, @all)`},
		{"@all !@x", `"!@x": there is no group @x in the inventory`},
		{"@all !wbe1", "!wbe1 takes nothing out: no such name is among the targets or in the inventory"},
		{"web1 !web1", "no machine is left of web1 !web1"},
		{"!web1", "no machine is left of !web1"},
		{"@all !@all", "no machine is left of @all !@all"},
	} {
		got, err := inv.Expand(strings.Fields(test.words))
		if err == nil || !strings.Contains(err.Error(), "inventory.expand: "+test.want) && !strings.Contains(err.Error(), ": "+test.want) {
			t.Errorf("%s: %v %v, want %s", test.words, got, err, test.want)
			continue
		}
		if primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: kind %s", test.words, primitives.KindOf(err))
		}
	}
	if _, err := inv.Expand([]string{""}); err == nil {
		t.Error("an empty word was taken")
	}
	if _, err := Empty().Expand([]string{All}); err == nil || !strings.Contains(err.Error(), "no machine is left of @all") {
		t.Error("@all of an empty inventory:", err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, word := range []string{"bmc[001-100,200]", "r[1-2]n[01-02]", "@rack7", "!web1", "[fe80::1]", "n[5-010]", "@all !@x", "root@n[1,]"} {
		f.Add(word)
	}
	inv, err := Parse("m.lua", []byte(sample))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		names, err := inv.Expand(strings.Split(line, " "))
		if err != nil {
			if primitives.KindOf(err) != primitives.Invalid {
				t.Fatal(err)
			}
			return
		}
		seen := map[string]bool{}
		for _, name := range names {
			if seen[name] || name == "" || strings.HasPrefix(name, "@") || strings.HasPrefix(name, "!") {
				t.Fatalf("%q in %q", name, names)
			}
			seen[name] = true
		}
		if len(names) == 0 || len(names) > maxExpanded {
			t.Fatalf("%d names of %q", len(names), line)
		}
	})
}

func TestLookup(t *testing.T) {
	inv := parseSample(t)
	for _, test := range []struct{ kind, value, want string }{
		{"L", "Web", "web1"}, {"label", "lab01", "lab01"}, {"L", "web", ""}, {"L", "web1", ""},
		{"T", "10.0.0.5", "lab01"}, {"TCP", "DB1.example.org", "db1"}, {"t", "db1", "db1"}, {"T", "10.0.0.99", ""},
		{"T", "::ffff:10.0.0.5", "lab01"}, {"T", "LAB01", "lab01"},
		{"M", "5254.0012.3456", "lab01"}, {"MAC", "52:54:00:12:34:57", ""}, {"M", "0:0:0:0:0:0", ""},
		{"U", "4c4c4544-0051-3010-8053-B4C04F4D4E31", "lab01"}, {"UUID", "4c4c4544005130108053b4c04f4d4e31", "lab01"},
		{"F", "db1.conf", "db1"}, {"FNAME", "web1/web1.conf", "web1"}, {"FILENAME", "b1.conf", ""},
		{"I", "/srv/vms/db1/../db1/db1.conf", "db1"}, {"ID", "/srv", ""}, {"P", "/srv/vms/web1/web1.conf", "web1"},
		{"PNAME", "/x", ""}, {"PATHNAME", "/srv/vms/db1/db1.conf", "db1"},
		{"B", "/srv/vms", "db1 web1"}, {"BASE", "/srv/vms/db1/", "db1"}, {"BASEPATH", "/srv/vm", ""}, {"B", "/", "db1 web1"},
		{"DR", "1", "lab01"}, {"DBREC", "4", "bmc-far"}, {"DBRECORD", "5", ""},
	} {
		rows, err := inv.Lookup(test.kind, test.value)
		if err != nil || strings.Join(rowNames(rows), " ") != test.want {
			t.Errorf("%s:%s: %v %v, want %s", test.kind, test.value, rowNames(rows), err, test.want)
		}
	}
}

func TestLookupFindsAllWithOneLabel(t *testing.T) {
	inv, err := Parse("m.lua", []byte(`return { a = { label = "x" }, b = { label = "x" }, ["n.example"] = { address = "s.example" } }`))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := inv.Lookup("L", "x")
	if err != nil || fmt.Sprint(rowNames(rows)) != "[a b]" {
		t.Error(rowNames(rows), err)
	}
	for _, short := range []string{"n", "S"} {
		if rows, err := inv.Lookup("T", short); err != nil || len(rows) != 1 {
			t.Error(short, rowNames(rows), err)
		}
	}
}

func TestLookupMalformed(t *testing.T) {
	inv := parseSample(t)
	for _, test := range []struct{ kind, value, want string }{
		{"X", "1", `"X" is no kind of address (accepted: B, BASE,`},
		{"L", "", "L: the value is missing"},
		{"T", "10.0.0.300", `T: "10.0.0.300" is no address: it looks like an IPv4 address and is none`},
		{"M", "52:54", `M: "52:54" is no MAC address`},
		{"U", "123", `U: "123" is no UUID`},
		{"I", "vm.conf", `I: "vm.conf" is no absolute path`},
		{"B", "vms", `B: "vms" is no absolute path`},
		{"F", "/", `F: "/" is no file name`},
		{"DR", "0", `DR: "0" is no record number (accepted: 1 to 4)`},
		{"DR", "x", `DR: "x" is no record number (accepted: 1 to 4)`},
	} {
		_, err := inv.Lookup(test.kind, test.value)
		if err == nil || !strings.Contains(err.Error(), test.want) || primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s:%s: %v, want %s", test.kind, test.value, err, test.want)
		}
	}
}
