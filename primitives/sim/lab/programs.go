package lab

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"ctys/primitives/shutdown"
)

// program is one command of a machine's shell; argv[0] is its name.
type program func(s *shell, argv []string) int

// programs are what a machine has, beside ctys.
var programs map[string]program

func init() {
	programs = map[string]program{
		"true":      func(*shell, []string) int { return 0 },
		"false":     func(*shell, []string) int { return 1 },
		"export":    func(*shell, []string) int { return 0 },
		"echo":      echo,
		"exit":      exit,
		"logout":    exit,
		"hostname":  func(s *shell, _ []string) int { return s.print(s.door.machine.Name) },
		"uptime":    uptime,
		"uname":     uname,
		"id":        func(s *shell, argv []string) int { return s.print("0") },
		"whoami":    func(s *shell, _ []string) int { return s.print(s.user) },
		"cat":       cat,
		"stty":      stty,
		"state":     state,
		"help":      help,
		"poweroff":  goDown(shutdown.Request{Method: shutdown.PowerOff}),
		"reboot":    goDown(shutdown.Request{Method: shutdown.Reboot}),
		"halt":      halt,
		"shutdown":  shutDown,
		"init":      initLevel,
		"systemctl": systemctl,
		"sudo":      prefix,
		"exec":      prefix,
		"env":       prefix,
		"sh":        subshell,
	}
}

// execute runs one command.
func (s *shell) execute(argv []string) int {
	for len(argv) > 0 && assignment(argv[0]) {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return 0
	}
	name := path.Base(argv[0])
	if s.door.lab.options.Agent != nil && isAgent(argv) {
		return s.agent(argv)
	}
	if run, ok := programs[name]; ok {
		return run(s, argv)
	}
	fmt.Fprintf(s.err, "%s: command not found\n", argv[0])
	return 127
}

// isAgent tells whether a program is ctys, under whatever name it was
// installed, and shall be the agent.
func isAgent(argv []string) bool {
	installed := strings.HasPrefix(path.Base(argv[0]), "ctys") || strings.HasPrefix(argv[0], "/var/tmp/ctys-")
	return installed && len(argv) > 1 && argv[1] == "agent"
}

// assignment tells whether a word only sets a variable.
func assignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && !strings.ContainsAny(name, "/-.")
}

// agent runs for as long as the machine runs, whatever becomes of the
// connection, and of the command that has begun it.
func (s *shell) agent(argv []string) int {
	return s.door.lab.options.Agent(s.door.life(s.ctx), s.door.machine.Name, argv, s.in, s.out, s.err)
}

func (s *shell) print(text string) int {
	fmt.Fprintln(s.out, text)
	return 0
}

func (s *shell) fail(argv []string, format string, args ...any) int {
	fmt.Fprintf(s.err, "%s: %s\n", argv[0], fmt.Sprintf(format, args...))
	return 1
}

func echo(s *shell, argv []string) int { return s.print(strings.Join(argv[1:], " ")) }

func exit(s *shell, argv []string) int {
	s.ended = true
	return number(argv[1:], s.status)
}

func help(s *shell, _ []string) int {
	return s.print(strings.Join(slices.Sorted(maps.Keys(programs)), " "))
}

func uptime(s *shell, _ []string) int {
	status := s.door.lab.world.State(s.door.machine.Name)
	return s.print(fmt.Sprintf(" %s up, boot %d, load average: 0.00, 0.00, 0.00", s.door.lab.clock.Now().Format("15:04:05"), status.Boots))
}

func uname(s *shell, argv []string) int {
	if len(argv) == 1 {
		return s.print("Linux")
	}
	var words []string
	for _, option := range []struct{ letter, word string }{{"s", "Linux"}, {"n", s.door.machine.Name}, {"r", "6.1.0-simulated"}, {"m", "x86_64"}} {
		if strings.Contains(argv[1], option.letter) || strings.Contains(argv[1], "a") {
			words = append(words, option.word)
		}
	}
	return s.print(strings.Join(words, " "))
}

func cat(s *shell, argv []string) int {
	for _, name := range argv[1:] {
		identity, err := s.door.view.Shutdown().Identity(s.ctx)
		switch {
		case err != nil:
			return s.fail(argv, "%s", kindText(err))
		case name == "/proc/sys/kernel/random/boot_id":
			s.print(identity.BootID)
		case name == "/etc/machine-id":
			s.print(identity.MachineID)
		case name == "/etc/hostname":
			s.print(identity.Hostname)
		default:
			return s.fail(argv, "%s: No such file or directory", name)
		}
	}
	return 0
}

func stty(s *shell, argv []string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasPTY {
		return s.fail(argv, "standard input: Inappropriate ioctl for device")
	}
	if len(argv) > 1 && argv[1] == "size" {
		fmt.Fprintf(s.out, "%d %d\n", s.rows, s.cols)
	}
	return 0
}

func state(s *shell, _ []string) int {
	return s.print(s.door.lab.world.State(s.door.machine.Name).String())
}

// goDown asks the machine's own system.
func goDown(request shutdown.Request) program {
	return func(s *shell, argv []string) int {
		if _, err := s.door.view.Shutdown().Do(s.ctx, request); err != nil {
			return s.fail(argv, "%s", kindText(err))
		}
		return 0
	}
}

func halt(s *shell, argv []string) int {
	method := shutdown.Halt
	for _, option := range argv[1:] {
		if option == "-p" || option == "--poweroff" {
			method = shutdown.PowerOff
		}
	}
	return goDown(shutdown.Request{Method: method})(s, argv)
}

// shutDown knows shutdown(8) with "now" and "+0" only: the lab keeps no timers.
func shutDown(s *shell, argv []string) int {
	method := shutdown.PowerOff
	for _, word := range argv[1:] {
		switch word {
		case "-h", "-P", "now", "+0":
		case "-r":
			method = shutdown.Reboot
		case "-H":
			method = shutdown.Halt
		default:
			return s.fail(argv, "%q is not known here (-h, -P, -H, -r, now)", word)
		}
	}
	return goDown(shutdown.Request{Method: method})(s, argv)
}

func initLevel(s *shell, argv []string) int {
	if len(argv) != 2 || len(argv[1]) != 1 || argv[1] < "0" || argv[1] > "6" {
		return s.fail(argv, "one run level from 0 to 6")
	}
	return goDown(shutdown.Request{Method: shutdown.RunLevel, Level: int(argv[1][0] - '0')})(s, argv)
}

func systemctl(s *shell, argv []string) int {
	for _, word := range argv[1:] {
		switch word {
		case "poweroff", "reboot", "halt":
			return goDown(shutdown.Request{Method: shutdown.Method(word)})(s, argv)
		}
	}
	return s.fail(argv, "poweroff, reboot and halt are known here")
}

// prefix runs the command behind sudo, exec or env, over their options.
func prefix(s *shell, argv []string) int {
	rest := argv[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		rest = rest[1:]
	}
	return s.execute(rest)
}

// subshell is sh -c 'LINE'. A client that looks whether ctys is installed, or for
// hypervisors, sends a script for a real shell; it is told that ctys is there, and
// which hypervisors have guests.
func subshell(s *shell, argv []string) int {
	if len(argv) < 3 || !strings.HasSuffix(argv[1], "c") {
		return s.fail(argv, "only -c is known here")
	}
	if len(argv) > 5 && argv[3] == "ctys" && argv[4] == "find" && s.door.lab.options.Agent != nil {
		_, _ = io.Copy(io.Discard, s.in)
		return s.print("@ have " + path.Join("/var/tmp/ctys-0", argv[5]) + "\n@ end")
	}
	if strings.HasPrefix(argv[2], "d=/var/run/libvirt\n") {
		return s.hypervisors(argv)
	}
	return s.run(argv[2])
}

// hypervisors answers the survey of package stack. Their sockets are reached by
// the machine's agent only.
func (s *shell) hypervisors(argv []string) int {
	found, err := s.door.view.Stack().Hypervisors(s.ctx, "")
	if err != nil {
		return s.fail(argv, "%s", kindText(err))
	}
	for _, hypervisor := range found {
		s.print("guests " + hypervisor.Type)
	}
	return s.print("end")
}
