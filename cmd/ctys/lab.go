package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
	"ctys/luabind/simulated"
)

// labHead is what ctys lab says about itself, as a script's head does.
var labHead = luabind.Head{
	Name: "lab", What: "A simulated rack with real sockets on loopback: BMCs, a listener for magic packets, SSH servers. It ends with Ctrl-C.",
	Usage: "[--dir DIR] [--network A.B] [--bmcs N] [--stuck NAME…] | tell DIR COMMAND…",
	Arguments: []luabind.Argument{
		{Name: "dir", Type: luabind.ArgumentString, Options: []string{"--dir"}, Help: "for the lab's files; without it a folder that is removed at the end"},
		{Name: "network", Type: luabind.ArgumentString, Options: []string{"--network"}, Value: "A.B", Help: "first two bytes of every address, within 127 (127.77)"},
		{Name: "wake_port", Type: luabind.ArgumentInteger, Options: []string{"--wake-port"}, Value: "PORT", Min: 1, Max: 65535, Help: "where magic packets are waited for (4009)"},
		{Name: "bmcs", Type: luabind.ArgumentInteger, Options: []string{"--bmcs"}, Value: "N", Min: 1, Max: simulated.MostBMCs, Help: "so many machines more that are only a BMC: bmc0001 and following, the group @bmcs"},
		{Name: "slots", Type: luabind.ArgumentInteger, Options: []string{"--slots"}, Value: "N", Min: 1, Max: 64, Help: "sessions that each of these BMCs holds at a time (64; small BMCs have 4)"},
		{Name: "stuck", Type: luabind.ArgumentList, Options: []string{"--stuck"}, Value: "NAME", Help: "a machine whose shutdown never ends"},
		{Name: "words", Type: luabind.ArgumentList, Help: "tell DIR COMMAND…: send a command to a lab that runs (help lists them)"},
	},
	Examples: []string{"ctys lab --dir /tmp/rack", "ctys lab tell /tmp/rack state", "ctys lab tell /tmp/rack stuck db1",
		"ctys lab --dir /tmp/rack --bmcs 1000", "ctys lab tell /tmp/rack bmc bmc0001"},
	Declared: true,
}

// lab runs the simulated rack until it is interrupted, or speaks to one.
func (a *app) lab(options form.Options, argv []string) int {
	own, words, err := form.General(argv, labHead.Owns)
	if err != nil {
		return a.refuse(err)
	}
	if options.Help || own.Help || asksForHelp(labHead, words) {
		return a.usageOf(true, labHead.Text())
	}
	arguments, err := labHead.Parse(words)
	if err != nil {
		return a.refuse(err)
	}
	if spoken := texts(arguments["words"]); len(spoken) > 0 {
		if len(spoken) < 3 || spoken[0] != "tell" {
			return a.refuse(&form.Error{Option: spoken[0], Message: "usage: " + labHead.Line()})
		}
		return a.labTell(spoken[1], strings.Join(spoken[2:], " "))
	}
	return a.labServe(arguments)
}

func texts(list any) []string {
	var words []string
	values, _ := list.([]any)
	for _, value := range values {
		word, _ := value.(string)
		words = append(words, word)
	}
	return words
}

func (a *app) labTell(dir, command string) int {
	answer, err := simulated.LabCommand(context.Background(), filepath.Join(dir, "control"), command)
	io.WriteString(a.stdout, answer)
	if err != nil {
		a.complain(err)
		return luabind.ExitCode(err)
	}
	return exitReached
}

func (a *app) labServe(arguments map[string]any) int {
	dir, remove, err := labDir(arguments)
	if err != nil {
		a.complain(err)
		return exitFailed
	}
	defer remove()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	network, _ := arguments["network"].(string)
	port, _ := arguments["wake_port"].(float64)
	bmcs, _ := arguments["bmcs"].(float64)
	slots, _ := arguments["slots"].(float64)
	rack, err := simulated.Lab(ctx, simulated.LabOptions{
		Dir: dir, Version: programVersion(), Network: network, WakePort: int(port), Stuck: texts(arguments["stuck"]),
		BMCs: int(bmcs), Slots: int(slots),
	})
	if err != nil {
		a.complain(err)
		return luabind.ExitCode(err)
	}
	fmt.Fprintf(a.stdout, `a simulated rack runs on loopback until Ctrl-C; in another terminal:
  export CTYS_INVENTORY=%[1]s/machines.lua
  export CTYS_SSH_CONFIG=%[1]s/ssh_config
  export XDG_STATE_HOME=%[1]s/state     # what runs leave behind stays with the lab
  ctys lab tell %[1]s state     # help lists the commands
  ctys -t pm -a cancel=poweroff,self --plan lab01
`, dir)
	rack.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		a.complain(cause)
		return exitFailed
	}
	return exitReached
}

// labDir is the folder for the lab's files, absolute, and what removes it.
func labDir(arguments map[string]any) (dir string, remove func(), err error) {
	if named, ok := arguments["dir"].(string); ok {
		dir, err = filepath.Abs(named)
		return dir, func() {}, err
	}
	dir, err = os.MkdirTemp("", "ctys-lab-")
	return dir, func() { os.RemoveAll(dir) }, err
}
