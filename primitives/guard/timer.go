package guard

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ctys/primitives"
)

// prefix begins the names of all units.
const prefix = "ctys-guard-"

// systemdWait is how long systemd may take for one thing that is asked of it.
const systemdWait = 20 * time.Second

// startTimer arms a transient timer of systemd (systemd-run(1)). Its unit runs
// a copy of this program where that can be made and run, since the file of this
// process may lie where it is cleared away with a session.
func (c *Client) startTimer(ctx context.Context, request Request) (unit, program string, err error) {
	if err := c.timerPossible(request); err != nil {
		return "", "", err
	}
	unit = prefix + request.Name
	if program, err = c.copyProgram(request); err == nil {
		if c.timer(ctx, unit, program, request) == nil {
			return unit, program, nil
		}
		_ = os.Remove(program)
	}
	own, err := c.program()
	if err != nil {
		return "", "", primitives.Wrap(opArm, request.File, "this program's own file is not known", err)
	}
	if err := c.timer(ctx, unit, own, request); err != nil {
		return "", "", err
	}
	return unit, "", nil
}

// timerPossible: systemd's own manager runs as root, and in the first network
// namespace.
func (c *Client) timerPossible(request Request) error {
	switch {
	case !c.systemd():
		return primitives.Errorf(primitives.Unsupported, opArm, request.File, "systemd is not the init of this machine, so it can run no timer")
	case c.euid != 0:
		return primitives.Errorf(primitives.Denied, opArm, request.File, "only root may have systemd run a timer for the machine: run as root")
	case !c.sameNetwork():
		return primitives.Errorf(primitives.Unsupported, opArm, request.File, "this process is in another network namespace than init, where a timer of systemd would act")
	}
	return nil
}

// timer rehearses with a program, and arms the timer with it.
func (c *Client) timer(ctx context.Context, unit, program string, request Request) error {
	rehearsal := append([]string{"systemd-run", "--quiet", "--collect", "--wait", "--unit=" + unit + "-rehearsal", "--", program},
		arguments(c.Rehearse, request.File)...)
	if err := c.obey(ctx, rehearsal, "systemd cannot run "+program); err != nil {
		return err
	}
	seconds := strconv.FormatFloat(math.Ceil(request.After.Seconds()), 'f', -1, 64)
	arming := append([]string{"systemd-run", "--quiet", "--collect", "--unit=" + unit,
		"--description=ctys: undoes what was done to go down, unless that is disarmed (" + filepath.Base(request.File) + ")",
		"--on-active=" + seconds + "s", "--timer-property=AccuracySec=1s", "--property=Type=oneshot", "--", program},
		arguments(c.Command, request.File)...)
	return c.obey(ctx, arming, "systemd arms no timer")
}

// arguments are those of a command with its file. systemd expands variables in
// them, and takes "$$" for "$" (systemd.service(5), "Command lines").
func arguments(command []string, file string) []string {
	all := []string{}
	for _, word := range append(append([]string{}, command...), file) {
		all = append(all, strings.ReplaceAll(word, "$", "$$"))
	}
	return all
}

// stopTimer is content where there is no such unit any more: the timer has
// elapsed.
func (c *Client) stopTimer(ctx context.Context, unit string) error {
	const notLoaded = 5 // systemctl(1), "Exit status"
	timer := unit + ".timer"
	output, exit, err := c.ask(ctx, []string{"systemctl", "--quiet", "--no-ask-password", "stop", timer})
	if err != nil || exit != 0 && exit != notLoaded {
		return c.failure(output, exit, err, "timer "+timer+" was not stopped (systemctl stop "+timer+")")
	}
	return nil
}

// obey has a program of systemd do something.
func (c *Client) obey(ctx context.Context, argv []string, what string) error {
	output, exit, err := c.ask(ctx, argv)
	if err != nil || exit != 0 {
		return c.failure(output, exit, err, what)
	}
	return nil
}

// ask is Run within systemdWait.
func (c *Client) ask(ctx context.Context, argv []string) (output string, exit int, err error) {
	ctx, cancel := primitives.WithTimeout(ctx, c.Clock, systemdWait)
	defer cancel()
	return c.Run(ctx, argv)
}

func (c *Client) failure(output string, exit int, err error, what string) error {
	if err != nil {
		return primitives.Wrap(opArm, "", what, err)
	}
	return primitives.Errorf(primitives.Internal, opArm, "", "%s (exit status %d): %s", what, exit, strings.TrimSpace(output))
}

// systemdIsInit is sd_booted(3).
func systemdIsInit() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// inNetworkOfInit compares the network namespaces (namespaces(7)); what cannot
// be read is another.
func inNetworkOfInit() bool {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	of, err := os.Readlink("/proc/1/ns/net")
	return err == nil && own == of
}
