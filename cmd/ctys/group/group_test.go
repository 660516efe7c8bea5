package group

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/cmd/ctys/form"
	"ctys/luabind/inventory"
)

const machines = `return {
  lab01 = {}, lab02 = {}, lab03 = {}, both = {},
  ["@rack"] = { "lab01", "lab02" },
}`

// site writes group files, "dir/name" by text, and gives what finds them in
// the folders first and second.
func site(t testing.TB, files map[string]string) (*Resolver, string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inv, err := inventory.Parse("machines.lua", []byte(machines))
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{Inventory: inv, Path: []string{filepath.Join(root, "first"), filepath.Join(root, "second")}}, root
}

func resolve(r *Resolver, words ...string) (string, error) {
	f, err := form.Named(form.Options{}, words)
	if err != nil {
		return "", err
	}
	members, err := r.Resolve(f.Targets)
	var shown []string
	for _, member := range members {
		text := member.Name
		if member.User != "" {
			text = member.User + "@" + text
		}
		if user := member.Options.User; user != "" {
			text += "(-l " + user + ")"
		}
		if member.Options.Plan {
			text += "(-n)"
		}
		shown = append(shown, text)
	}
	return strings.Join(shown, " "), err
}

func TestGroupFiles(t *testing.T) {
	r, _ := site(t, map[string]string{
		"first/web":      "# the web servers\nweb1 web2'(-l www)'   # two\n\n  admin@web[03-04]\n",
		"first/all":      "#include web, db\n@rack\nlab03\n",
		"first/db":       "db1(-l \"db\" -n) 'db2(-n)'\n",
		"second/web":     "other\n",
		"second/spare":   "lab[01-09] !lab02 !@rack",
		"second/both":    "not-this",
		"second/rack":    "not-this-either",
		"second/nested":  "web'(-l inner)'\n!web2",
		"second/comment": "# include web\n#includes nothing\nlab01 #include db\nn#1\n",
	})
	for words, want := range map[string]string{
		"web":              "web1 web2(-l www) admin@web03 admin@web04",
		"@web":             "web1 web2(-l www) admin@web03 admin@web04",
		"all":              "web1 web2(-l www) admin@web03 admin@web04 db1(-l db)(-n) db2(-n) lab01 lab02 lab03",
		"root@web(-n)":     "root@web1(-n) web2(-l www)(-n) admin@web03(-n) admin@web04(-n)",
		"web(-l outer)":    "web1(-l outer) web2(-l www) admin@web03(-l outer) admin@web04(-l outer)",
		"both":             "both", // a machine of the inventory comes first
		"@both":            "not-this",
		"@rack":            "lab01 lab02", // so does its group
		"rack":             "not-this-either",
		"spare":            "lab03 lab04 lab05 lab06 lab07 lab08 lab09",
		"nested":           "web1(-l inner) admin@web03(-l inner) admin@web04(-l inner)",
		"comment":          "lab01 n#1",
		"nosuch":           "nosuch",
		"lab01 !lab02 all": "lab01 web1 web2(-l www) admin@web03 admin@web04 db1(-l db)(-n) db2(-n) lab01 lab03",
		"all !@web !db":    "lab01 lab02 lab03",
		"a/b ..":           "a/b ..",
	} {
		got, err := resolve(r, strings.Split(words, " ")...)
		if strings.Contains(words, "(-l outer)") {
			got, err = resolve(r, words)
		}
		if err != nil || got != want {
			t.Errorf("%s:\n\t%s, %v\nwant\n\t%s", words, got, err, want)
		}
	}
}

func TestBadGroupFiles(t *testing.T) {
	r, root := site(t, map[string]string{
		"first/a":       "lab01\n#include b\n",
		"first/b":       "#include c\n",
		"first/c":       "\n\n#include a\n",
		"first/self":    "x self",
		"first/open":    "lab01\nlab02'(-n\n",
		"first/opt":     "lab01(--nonsense)\n",
		"first/shared":  "(-n) lab01\n",
		"first/macro":   "lab01\nMACRO:boot\n",
		"first/missing": "#include gone\n",
		"first/path":    "#include ../secret\n",
		"first/empty":   "# nobody\n",
		"first/none":    "lab01 !lab01\n",
		"first/stray":   "lab01 !lab77\n",
		"first/comma":   "#include ,b\n",
		"first/range":   "lab01\n\nlab[3-1]\n",
		"first/inner":   "#include range",
		"first/nogroup": "@nogroup\n",
		"first/large":   strings.Repeat("#\n", largest),
	})
	for word, want := range map[string]string{
		"a":       "/first/c:3: the group a contains itself: " + root + "/first/a > " + root + "/first/b > " + root + "/first/c > " + root + "/first/a",
		"self":    "/first/self:1: the group self contains itself",
		"open":    "/first/open:2: a quote or parenthesis is not closed",
		"opt":     "/first/opt:1: ",
		"shared":  "/first/shared:1: ",
		"macro":   "/first/macro:2: \"MACRO:boot\": there is no MACRO, SUBTASK, SUBGROUP or VMSTACK",
		"missing": "/first/missing:1: there is no group file \"gone\" to include",
		"path":    "/first/path:1: \"../secret\" is no name of a group file",
		"empty":   "/first/empty: the group has no machine",
		"none":    "/first/none: the group has no machine",
		"stray":   "/first/stray: !lab77 takes nothing out",
		"comma":   "/first/comma:1: \"\" is no name of a group file",
		"range":   "/first/range:3: \"3-1\" counts down",
		"inner":   "/first/range:3: \"3-1\" counts down",
		"nogroup": "/first/nogroup:1: the group nogroup contains itself",
		"large":   "is longer than",
		"@gone":   "there is no group @gone, neither in the inventory (known: @rack, @all) nor as a group file (looked for in " + root + "/first, ",
		"!lab77":  "takes nothing out",
		"b[1-":    "is not closed",
	} {
		_, err := resolve(r, word)
		var refused *form.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", word, err, want)
		}
		if err != nil && strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: more than one line: %q", word, err.Error())
		}
	}
	if _, err := resolve(r, "lab01", "!lab01"); err == nil || !strings.Contains(err.Error(), "no machine is left") {
		t.Errorf("%v", err)
	}
}

// What cannot be read is not taken for the name of a host.
func TestAGroupFileThatCannotBeRead(t *testing.T) {
	r, root := site(t, map[string]string{"second/web": "lab01"})
	if err := os.MkdirAll(filepath.Join(root, "first", "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := resolve(r, "web"); err != nil || got != "lab01" {
		t.Errorf("a folder hides the group: %s, %v", got, err)
	}
	if err := os.Symlink("loop", filepath.Join(root, "first", "loop")); err != nil {
		t.Fatal(err)
	}
	if _, err := resolve(r, "loop"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("%v", err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(root, "first", "zero")); err != nil {
		t.Fatal(err)
	}
	if _, err := resolve(r, "zero"); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("%v", err)
	}
}

func FuzzGroupFile(f *testing.F) {
	for _, text := range []string{"lab01 # x", "#include a,b", "a'(-n)' \"b(-l 'x y')\"", "(", "!x", "@rack", "\x00[1-3]", "a[1-9999999]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, _ := site(t, map[string]string{"first/fuzzed": text})
		target, err := form.ReadTarget("fuzzed")
		if err != nil {
			t.Fatal(err)
		}
		members, err := r.Resolve([]form.Target{target})
		if err == nil && len(members) == 0 {
			t.Error("a group of nobody would mean this host")
		}
		for _, member := range members {
			if member.Name == "" || strings.HasPrefix(member.Name, "-") || strings.HasPrefix(member.Name, "!") {
				t.Errorf("a member is called %q", member.Name)
			}
		}
	})
}
