package main

import (
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
)

// skeletons are what a new script or driver begins as, with its test. NAME
// stands for its name.
//
//go:embed skeletons
var skeletons embed.FS

// newName is what can stand on a command line, in require and in a URI.
var newName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// scriptNew writes a script and its test, both of which work, into the user's
// folder. Files that are there stay.
func (a *app) scriptNew(words []string) int {
	kind := "script"
	if len(words) > 0 && words[0] == "--driver" {
		kind, words = "driver", words[1:]
	}
	if len(words) != 1 {
		return a.usageOf(false, scriptUsage)
	}
	name := words[0]
	if err := checkNewName(name); err != nil {
		return a.refuse(err)
	}
	dir := ejectDir()
	if dir == "" {
		return a.refuse(errNoScriptDir)
	}
	if kind == "driver" {
		dir = filepath.Join(dir, "drivers")
	}
	for _, file := range []string{kind, kind + luabind.TestSuffix} {
		text, err := skeletons.ReadFile("skeletons/" + file + ".lua")
		if err != nil {
			return a.refuse(err)
		}
		path := filepath.Join(dir, name+strings.TrimPrefix(file, kind)+".lua")
		if err := writeNew(path, strings.ReplaceAll(string(text), "NAME", name)); err != nil {
			a.complain(err)
			return exitRefused
		}
		fmt.Fprintln(a.stdout, path)
	}
	return exitReached
}

var errNoScriptDir = errors.New("there is no folder for it: set CTYS_PATH, XDG_CONFIG_HOME or HOME")

func checkNewName(name string) error {
	switch {
	case !newName.MatchString(name):
		return &form.Error{Option: name, Message: "this cannot be the name of a script; accepted: small letters, digits and -, a letter first"}
	case command(name) != nil:
		return &form.Error{Option: name, Message: "ctys has a command of this name, which would hide the script"}
	}
	return nil
}
