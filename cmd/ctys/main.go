// Ctys wakes machines and cancels what runs on them. It hosts Lua: what an
// action means is a script; see ctys help.
package main

import (
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
)

func main() {
	if os.Getenv("GOGC") == "" {
		collectRarely()
	}
	armed = true
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// armed takes the safety catch off the power to take this machine down: the
// program may, where its request says SELF, and its tests may not.
var armed bool

// collectRarely lets the heap grow far before it is collected: most runs are
// short and end before that. One that has come to its first collection is large,
// and keeps its memory within bounds from then on.
func collectRarely() {
	const atFirst, afterwards = 400, 200 // percent of what is in use
	debug.SetGCPercent(atFirst)
	runtime.AddCleanup(new([16]byte), func(percent int) { debug.SetGCPercent(percent) }, afterwards)
}

// The exit codes.
const (
	exitReached     = luabind.ExitReached // all reached their goal, seen
	exitFailed      = luabind.ExitFailed  // some did not, or something may have been changed
	exitInvalid     = luabind.ExitInvalid // bad request
	exitRefused     = luabind.ExitRefused // refused with nothing changed
	exitInterrupted = 130                 // by Ctrl-C, with the summary
)

// app is one call of the program.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	argv   []string // as typed, for the summary and the journal
	second bool     // it carries out a call of another process: see detach.go

	resumed     *resumption    // the earlier run that it carries on; nil: it is a new one
	interrupted *interruptions // nil: they are not caught
}

// command gives what carries out a name that is no script, or nil.
func command(name string) func(a *app, options form.Options, argv []string) int {
	switch name {
	case "eval":
		return (*app).eval
	case "run":
		return (*app).runFile
	case "repl":
		return (*app).repl
	case "script":
		return (*app).script
	case "help":
		return (*app).help
	case "version":
		return (*app).version
	case "lab":
		return (*app).lab
	case "jobs":
		return (*app).jobs
	case "journal":
		return (*app).journal
	case "attach":
		return (*app).attach
	case "resume":
		return (*app).resume
	case "stubs":
		return func(a *app, _ form.Options, _ []string) int {
			return a.refuse(&form.Error{Option: name, Message: "not in this version"})
		}
	}
	return nil
}

func run(argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, argv: argv, second: isSecond()}
	if len(argv) > 0 && argv[0] == "agent" {
		return a.agent(argv[1:])
	}
	return a.do(argv)
}

// do carries a command line out.
func (a *app) do(argv []string) int {
	if form.IsForm(argv) {
		return a.form(argv)
	}
	options, name, rest, err := leading(argv)
	if err != nil {
		return a.refuse(err)
	}
	switch {
	case options.Version:
		return a.version(options, nil)
	case options.Help:
		return a.help(options, append([]string{}, nonEmpty(name)...))
	case name == "":
		return a.bare(options)
	}
	if carryOut := command(name); carryOut != nil {
		return carryOut(a, options, rest)
	}
	return a.named(options, name, rest)
}

// leading reads the options that stand before the name.
func leading(argv []string) (options form.Options, name string, rest []string, err error) {
	end := 0
	for end < len(argv) && strings.HasPrefix(argv[end], "-") && argv[end] != "-" {
		end++
		if takesValue(argv[end-1]) && end < len(argv) {
			end++
		}
	}
	options, unknown, err := form.General(argv[:end], func(string) bool { return false })
	if err == nil && len(unknown) > 0 {
		err = &form.Error{Option: unknown[0], Message: "there is no such option before the name of a script; ctys help tells more"}
	}
	if err != nil || end == len(argv) {
		return options, "", nil, err
	}
	return options, argv[end], argv[end+1:], nil
}

// takesValue tells whether the next word belongs to this option.
func takesValue(word string) bool {
	switch word {
	case "--inventory", "--limit", "--deadline", "--journal":
		return true
	}
	return false
}

// bare is ctys without a name: the REPL for a person, the usage for others.
func (a *app) bare(options form.Options) int {
	if isTerminal(a.stdin) && isTerminal(a.stdout) {
		return a.repl(options, nil)
	}
	io.WriteString(a.stderr, usage)
	return exitInvalid
}

func nonEmpty(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}
