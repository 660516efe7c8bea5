package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/remote"
	"ctys/primitives/shutdown"
)

const opShutDown = "action.shut_down"

// ShutDown asks a machine's own system to go down: systemd where it is one,
// else shutdown(8), else what init has, as another account by the row's become
// where the login is not root's. It returns when the machine has taken the
// request; a line that is cut after the request was sent means that it has.
//
// Errors: those of the login; Denied where the account may not, Unsupported
// where the machine has no such command or become is ksu, Invalid (the request).
func (d *Desk) ShutDown(ctx context.Context, machine luabind.Machine, request shutdown.Request) error {
	become := "none"
	if row := d.options.Inventory.Row(machine.Name); row != nil {
		become = row.Become
	}
	script, err := downScript(machine.Name, request, become)
	if err != nil {
		return err
	}
	line, err := d.connect(ctx, placeOf(machine))
	if err != nil {
		return err
	}
	words := &head{limit: 4 << 10}
	process, err := line.Start(ctx, remote.Command{Argv: []string{"sh", "-c", script}, Stdin: strings.NewReader(""), Stdout: &head{}, Stderr: words})
	if err != nil {
		return err
	}
	exit, err := process.Wait()
	switch {
	case err != nil && primitives.KindOf(err) == primitives.Unreachable:
		return nil
	case err != nil:
		return err
	case exit == 0:
		return nil
	}
	return refusedDown(machine.Name, exit, words.String())
}

// downScript is one line for a POSIX shell. Its words are fixed: no value of
// the inventory stands in it.
func downScript(host string, request shutdown.Request, become string) (string, error) {
	var tries []string
	switch {
	case request.Method == shutdown.PowerOff || request.Method == shutdown.RunLevel && request.Level == 0:
		tries = []string{"systemctl poweroff", "shutdown -h -P now", "shutdown -h now", "poweroff"}
	case request.Method == shutdown.Reboot || request.Method == shutdown.RunLevel && request.Level == 6:
		tries = []string{"systemctl reboot", "shutdown -r now", "reboot"}
	case request.Method == shutdown.Halt:
		tries = []string{"systemctl halt", "shutdown -H now", "halt"}
	case request.Method == shutdown.RunLevel && request.Level > 0 && request.Level < 6:
		tries = []string{fmt.Sprintf("init %d", request.Level), fmt.Sprintf("telinit %d", request.Level)}
	default:
		return "", primitives.Errorf(primitives.Invalid, opShutDown, host, "method %q, run level %d: there is no such request", request.Method, request.Level)
	}
	as := map[string]string{"": "", "none": "", "sudo": "sudo -n ", "doas": "doas -n "}
	prefix, known := as[become]
	if !known {
		return "", primitives.Errorf(primitives.Unsupported, opShutDown, host, "become = %q is not used for a plain shutdown over SSH (accepted: none, sudo, doas)", become)
	}
	// The PATH of an account that is not root's has no place for these.
	script := "PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin; export PATH; "
	plain := strings.Join(tries, " || ")
	if prefix == "" {
		return script + plain, nil
	}
	for i, try := range tries {
		tries[i] = prefix + try
	}
	return script + `if [ "$(id -u)" -eq 0 ]; then ` + plain + "; else " + strings.Join(tries, " || ") + "; fi", nil
}

func refusedDown(host string, exit int, words string) error {
	kind := primitives.Unsupported
	for _, sign := range []string{"ermission", "assword", "ermitted", "uthenti", "must be root", "denied", "superuser"} {
		if strings.Contains(words, sign) {
			kind = primitives.Denied
		}
	}
	return primitives.Errorf(kind, opShutDown, host, "its system did not take the request (exit code %d): %s", exit, oneLine(words))
}

// oneLine makes a machine's words safe to show in a message.
func oneLine(words string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words, "?"))
	return strings.Join(strings.Fields(clean), " ")
}

// Login is luabind.Relocator; the connection stays for what follows.
func (d *Desk) Login(ctx context.Context, machine luabind.Machine) error {
	_, err := d.connect(ctx, placeOf(machine))
	return err
}

// Console gives the operator's terminal a login shell on a machine, over SSH,
// or here where the machine is this one, and returns its exit status.
func (d *Desk) Console(ctx context.Context, machine luabind.Machine) (int, error) {
	if isHere(machine) {
		return d.consoleHere(ctx)
	}
	line, err := d.connect(ctx, placeOf(machine))
	if err != nil {
		return 0, err
	}
	return line.Terminal(ctx, remote.TerminalRequest{In: d.options.Stdin, Out: d.options.Stdout, ForwardAgent: machine.ForwardAgent})
}

// isHere is true where no machine is named: a host name may be that of several,
// and SSH leads to the right one.
func isHere(machine luabind.Machine) bool {
	return machine.Name == "" || machine.Name == "localhost"
}

// consoleHere needs no terminal of its own: the shell gets the operator's.
func (d *Desk) consoleHere(ctx context.Context) (int, error) {
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	login := osexec.CommandContext(ctx, shell, "-l")
	login.Env = primitives.Environment()
	login.Stdin, login.Stdout, login.Stderr = d.options.Stdin, d.options.Stdout, d.options.Stderr
	err := login.Run()
	var ended *osexec.ExitError
	if errors.As(err, &ended) && ctx.Err() == nil {
		return ended.ExitCode(), nil
	}
	return 0, primitives.Wrap("action.console", "localhost", "the login shell "+shell, err)
}
