package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"ctys/primitives"
	"ctys/primitives/sim"
	"ctys/primitives/sim/bmc"
)

// controlFile is the name of the control socket in Options.Dir.
const controlFile = "control"

// openControl listens on the control socket, which only its owner may use.
func (l *Lab) openControl(ctx context.Context) error {
	l.Control = l.path(controlFile)
	if err := removeStale(ctx, l.Control); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", l.Control)
	if err == nil {
		err = os.Chmod(l.Control, 0o600) // nobody else can enter the folder meanwhile
	}
	if err != nil {
		return primitives.Wrap("lab.serve", l.Control, "the control socket cannot be made", err)
	}
	l.closeWith(ctx, listener)
	l.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				l.group.Go(func() { l.command(ctx, conn) })
			}
		}
	})
	return nil
}

// removeStale removes the socket of a lab that is gone.
func removeStale(ctx context.Context, path string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return primitives.Errorf(primitives.Busy, "lab.serve", path, "another lab uses this folder")
	}
	_ = os.Remove(path)
	return nil
}

// command serves one connection to the control socket.
func (l *Lab) command(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		answer, err := l.Command(lines.Text())
		if answer != "" && !strings.HasSuffix(answer, "\n") {
			answer += "\n"
		}
		last := "ok"
		if err != nil {
			last = "error: " + err.Error()
		}
		if _, err := fmt.Fprintf(conn, "%s%s\n", answer, last); err != nil {
			return
		}
	}
}

// Ask sends one command to the control socket of a lab in another process and
// gives the answer. Errors: Unreachable where no lab listens, Invalid for a
// command that it refuses.
func Ask(ctx context.Context, control, command string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", control)
	if err != nil {
		return "", primitives.Wrap("lab.ask", control, "no lab listens there", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(conn, strings.ReplaceAll(command, "\n", " ")); err != nil {
		return "", primitives.Wrap("lab.ask", control, "the lab does not listen", err)
	}
	var answer strings.Builder
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if refused, ok := strings.CutPrefix(line, "error: "); ok {
			return answer.String(), primitives.Errorf(primitives.Invalid, "lab.ask", control, "%s", refused)
		}
		if line == "ok" {
			return answer.String(), nil
		}
		answer.WriteString(line + "\n")
	}
	return answer.String(), primitives.Errorf(primitives.Unreachable, "lab.ask", control, "the lab ended before it answered")
}

// Commands lists what Command knows.
const Commands = worldCommands + bmc.Commands

const worldCommands = `state [NAME]     what a machine, or each, is doing
log              everything that happened
on NAME          press its power button
off NAME         pull its plug
stuck NAME       its next shutdown, or the one under way, never ends
deaf NAME        it ignores its power button
hang NAME        it reacts to nothing until it is reset
fault NAME KIND  hang-shutdown, ignore-acpi, hang, bmc-silent, ssh-silent
mend NAME        takes back what stuck, deaf and fault did
`

// Command carries out one command of the control socket.
func (l *Lab) Command(line string) (answer string, err error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", errors.New("a command is missing; help lists them")
	}
	switch verb, args := words[0], words[1:]; {
	case bmc.Knows(verb):
		return l.farm.Command(words)
	case verb == "help":
		return Commands, nil
	case verb == "log":
		return l.world.Transcript(), nil
	case verb == "state" && len(args) == 0:
		return l.states(), nil
	case len(args) == 0:
		return "", fmt.Errorf("%q needs the name of a machine, or is not known; help lists the commands", verb)
	default:
		if _, ok := l.world.Machine(args[0]); !ok {
			return "", fmt.Errorf("there is no machine %q", args[0])
		}
		return l.onMachine(verb, args)
	}
}

func (l *Lab) states() string {
	var b strings.Builder
	for _, status := range l.world.Snapshot() {
		fmt.Fprintln(&b, status)
	}
	return b.String()
}

func (l *Lab) onMachine(verb string, args []string) (string, error) {
	name := args[0]
	switch verb {
	case "state":
		return l.world.State(name).String(), nil
	case "on":
		l.world.PowerOn(name)
	case "off":
		l.world.PowerOff(name)
	case "stuck":
		l.world.HangInShutdown(name, true)
	case "deaf":
		l.world.IgnoreACPI(name, true)
	case "hang":
		l.world.Hang(name)
	case "mend":
		l.mend(name)
	case "fault":
		return "", l.fault(name, args[1:])
	default:
		return "", fmt.Errorf("%q is not known; help lists the commands", verb)
	}
	return "", nil
}

func (l *Lab) fault(name string, kinds []string) error {
	if len(kinds) != 1 {
		return errors.New("one kind of fault: hang-shutdown, ignore-acpi, hang, bmc-silent, ssh-silent")
	}
	switch kinds[0] {
	case "hang-shutdown":
		l.world.HangInShutdown(name, true)
	case "ignore-acpi":
		l.world.IgnoreACPI(name, true)
	case "hang":
		l.world.Hang(name)
	case "bmc-silent":
		if b := l.farm.BMC(name); b != nil {
			b.Silent(true)
			return nil
		}
		return fmt.Errorf("%s has no BMC", name)
	case "ssh-silent":
		l.remember(name, l.world.Fault(sim.Fault{Machine: name, Power: "line", Hang: true}))
	default:
		return fmt.Errorf("%q is no fault: hang-shutdown, ignore-acpi, hang, bmc-silent, ssh-silent", kinds[0])
	}
	return nil
}

func (l *Lab) remember(name string, mend func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mends[name] = append(l.mends[name], mend)
}

func (l *Lab) mend(name string) {
	l.world.HangInShutdown(name, false)
	l.world.IgnoreACPI(name, false)
	if b := l.farm.BMC(name); b != nil {
		b.Mend()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, mend := range l.mends[name] {
		mend()
	}
	delete(l.mends, name)
}
