package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
)

const scriptUsage = "usage: ctys script ls | show NAME | eject NAME | new [--driver] NAME | test [NAME…]\n"

// script looks after scripts.
func (a *app) script(options form.Options, argv []string) int {
	own, words, err := form.General(argv, func(option string) bool { return option == "--driver" })
	if err != nil {
		return a.refuse(err)
	}
	switch {
	case options.Help || own.Help:
		return a.usageOf(true, scriptUsage)
	case len(words) == 1 && words[0] == "ls":
		return a.scriptList()
	case len(words) == 2 && words[0] == "show":
		return a.scriptShow(words[1])
	case len(words) == 2 && words[0] == "eject":
		return a.scriptEject(words[1])
	case len(words) > 0 && words[0] == "new":
		return a.scriptNew(words[1:])
	case len(words) > 0 && words[0] == "test":
		return a.scriptTest(words[1:], max(options.Verbose, own.Verbose))
	case len(words) > 0 && slices.Contains([]string{"diff", "check"}, words[0]):
		return a.refuse(&form.Error{Option: "script " + words[0], Message: "not in this version"})
	}
	return a.usageOf(false, scriptUsage)
}

// scriptList names every script and driver that has a head, where it comes from, and what
// it does. One that cannot be read is named with what is wrong.
func (a *app) scriptList() int {
	path := searchPath()
	names := luabind.Scripts(path)
	for _, driver := range luabind.Drivers(path) {
		names = append(names, "drivers."+driver)
	}
	for _, name := range names {
		source, err := luabind.Find(path, name)
		if err != nil {
			continue
		}
		origin := "site"
		if source.Stock {
			origin = "stock"
		}
		head, err := luabind.ReadHead(path, source)
		switch {
		case err != nil:
			fmt.Fprintf(a.stdout, "%-17s %-6s %s\n", name, origin, oneLine(err.Error()))
		case head.What != "" || head.Declared:
			fmt.Fprintf(a.stdout, "%-17s %-6s %s\n", name, origin, head.What)
		}
	}
	return exitReached
}

func (a *app) scriptShow(name string) int {
	source, err := luabind.Find(searchPath(), name)
	if err != nil {
		return a.refuse(err)
	}
	io.WriteString(a.stdout, source.Text)
	return exitReached
}

// scriptEject copies a stock script into the user's folder, where it comes
// before the embedded one. A file that is there stays.
func (a *app) scriptEject(name string) int {
	source, err := luabind.Find(nil, name)
	if err != nil {
		return a.refuse(err)
	}
	dir := ejectDir()
	if dir == "" {
		return a.refuse(errNoScriptDir)
	}
	file := filepath.Join(dir, filepath.FromSlash(source.File))
	if err := writeNew(file, source.Text); err != nil {
		a.complain(err)
		return exitRefused
	}
	fmt.Fprintln(a.stdout, file)
	return exitReached
}

// ejectDir is the first folder that scripts are looked for in.
func ejectDir() string {
	dirs := searchDirs()
	if dirs[0] == systemDir {
		return ""
	}
	return dirs[0]
}

func writeNew(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	created, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and was left as it is", file)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(created, text)
	return errors.Join(err, created.Close())
}
