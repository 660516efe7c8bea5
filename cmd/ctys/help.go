package main

import (
	"io"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
)

const usage = `usage:
  ctys -t TYPE -a ACTION[=SUBOPT,…] [options] [TARGET…]   carry out an action, as in
      ctys -t pm -a create=wol,t:lab01 desk               wake lab01 from desk
      ctys -t pm -a cancel=poweroff,self lab01            cancel lab01 and what runs on it
  ctys NAME [arguments]        run the script NAME (ctys script ls lists them)
      ctys power status @rack7                            ask and switch machines by their BMCs
  ctys run FILE.lua|- [args]   run a script of your own
  ctys eval 'LUA'              print the values of a piece of Lua
  ctys repl                    try things out, line by line
  ctys script ls | show NAME | eject NAME | new [--driver] NAME | test [NAME…]
                               which there are, a copy to change, one of your own, what its test says
  ctys help [NAME | MODULE | MODULE.FUNCTION]
  ctys jobs | journal [JOB] | attach [JOB] | resume [JOB]
                               what ran here, what it did, a run to its end, one that was cut short
  ctys lab                     a simulated rack with real sockets on loopback
options of the ctys form; those with * also in parentheses, of all targets before
the first one, or of one directly behind its name: lab01'(-n -l root)'
  -t TYPE            pm, xen, kvm, qemu, vbox, vmw, lxc, vm
  -T LIST *          types of guests that CANCEL looks at (all)
  -n *               as --plan
  -b MODE[,MODE] *   sync, or async: the call goes on by itself (ctys attach); par, or seq: one target after the other
  -l USER *          user for targets without one
  -A 0|1 *           an address may mean several machines
  -Z LIST, -z PTY *  KSU, SUDO, NOKSU, NOSUDO, ALL; NOPTY, PTY, 1, 2: without effect yet
  -Y *               a console may use the keys of your SSH agent
  -p FILE            as --inventory
  -o FORMAT, -X      results as terse (records with semicolons), table or json; -X is terse
  -V, -h, -H TOPIC   version, this text, what is known about a topic
options of every form, also before NAME:
  --inventory FILE   machines.lua (else $CTYS_INVENTORY, the user's, the system's)
  --plan             read everything, change nothing, print what would be done
  --json             results as one JSON object a line
  --yes              go on where a confirmation is due
  --limit N          how many at once
  --deadline TIME    for the whole run: seconds, or 90s, 10m, 1h30m
  --journal DIR      where the journals of runs are kept
  -v                 say more
  --accept-new-host-key   take the key of a host that is seen for the first time
a TARGET is a machine, a range bmc[001-100], @GROUP of the inventory, a group file, or !NAME, which takes out
environment: CTYS_INVENTORY, CTYS_SITE, CTYS_PATH (folders of scripts), CTYS_GROUPS_PATH (folders of
  group files), CTYS_SSH_CONFIG (as ssh -F)
exit codes: 0 all reached their goal; 1 some did not; 2 bad request;
  3 refused, nothing changed; 130 interrupted
`

// help prints the usage, or what a script, module or function is for.
func (a *app) help(options form.Options, argv []string) int {
	_, words, err := form.General(argv, none)
	if err != nil {
		return a.refuse(err)
	}
	if len(words) == 0 {
		io.WriteString(a.stdout, usage+"\n"+manual().Help(""))
		return exitReached
	}
	name := words[0]
	for _, spelling := range []string{name, strings.ToLower(name)} { // an action is read without regard to case
		if text, ok := scriptHelp(spelling); ok {
			io.WriteString(a.stdout, text)
			return exitReached
		}
	}
	if text := manual().Help(name); text != "" {
		io.WriteString(a.stdout, text)
		return exitReached
	}
	if text, ok := scriptHelp("drivers." + strings.ToLower(name)); ok {
		io.WriteString(a.stdout, text)
		return exitReached
	}
	if name == "lab" {
		io.WriteString(a.stdout, labHead.Text())
		return exitReached
	}
	if command(name) != nil {
		io.WriteString(a.stdout, usage)
		return exitReached
	}
	return a.refuse(&form.Error{Option: name, Message: "there is no script, module or function of this name; ctys help and ctys script ls list them"})
}

// scriptHelp is the text of a script's head. A module that only scripts use
// shows the comment that it begins with.
func scriptHelp(name string) (string, bool) {
	path := searchPath()
	source, err := luabind.Find(path, name)
	if err != nil {
		return "", false
	}
	head, err := luabind.ReadHead(path, source)
	if err != nil || head.What == "" && !head.Declared && len(head.Arguments) == 0 {
		text := leadingComment(source.Text)
		return text, text != ""
	}
	subOptions, err := head.SubOptions(path)
	if err != nil {
		subOptions = "sub-options: " + err.Error() + "\n"
	}
	return head.Text() + subOptions, true
}

// leadingComment is the first block of comment lines of a Lua file.
func leadingComment(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		comment, ok := strings.CutPrefix(line, "--")
		if !ok {
			break
		}
		lines = append(lines, strings.TrimPrefix(comment, " "))
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// manual is a runtime with all modules, none of which is used.
func manual() *luabind.Runtime {
	capabilities, _ := powers(&session{app: &app{stderr: io.Discard}})
	return luabind.New(capabilities, luabind.Options{})
}
