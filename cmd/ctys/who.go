package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"ctys/luabind"
	"ctys/luabind/journal"

	"golang.org/x/term"
)

// account is who runs this, and where.
func account() string {
	name := os.Getenv("USER")
	if name == "" {
		name = os.Getenv("LOGNAME")
	}
	if name == "" {
		name = "uid " + strconv.Itoa(os.Getuid())
		if current, err := user.Current(); err == nil {
			name = current.Username
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// commandLine is the call as it can be typed again.
func commandLine(argv []string) string {
	words := []string{"ctys"}
	for _, word := range argv {
		words = append(words, quote(word))
	}
	return strings.Join(words, " ")
}

// quote puts a word in quotes where a shell would take it apart.
func quote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func terminalSize(file *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(file.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// speaksUTF8 tells whether the locale's characters are UTF-8: the first of
// these variables that is set decides (locale(7)).
func speaksUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToUpper(os.Getenv(name)); value != "" {
			return strings.Contains(value, "UTF-8") || strings.Contains(value, "UTF8")
		}
	}
	return false
}

// journalDir is where journals are kept when no other folder was named.
func journalDir(explicit string) (string, error) {
	if explicit != "" {
		return filepath.Abs(explicit) // a resumed run enters another folder
	}
	return journal.StateDir()
}

// keptMachines is what is kept of machines between runs; nil where there is no
// place for it, which a run that wants to keep something says.
func keptMachines() *journal.Machines {
	dir, err := journal.MachinesDir()
	if err != nil {
		return nil
	}
	return &journal.Machines{Dir: dir, Clock: clock}
}

var clock = luabind.SystemClock{}
