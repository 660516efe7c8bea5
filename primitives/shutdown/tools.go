package shutdown

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ctys/primitives"
)

// commands gives the ways to ask for a request without logind, best first.
//
// systemctl speaks to systemd directly where there is no logind. shutdown(8)
// of sysvinit needs -h beside -P and -H, which only say how to end. poweroff,
// reboot and halt are what a system with neither has (busybox, OpenRC, runit).
func (c *Client) commands(request Request) [][]string {
	if c.systemd() {
		if request.Method == RunLevel {
			// Not waited for: it ends the session that asked.
			return [][]string{{"systemctl", "--no-ask-password", "--no-block", "isolate", request.target()}}
		}
		if request.Method.sleeps() {
			// Not waited for: it ends when the machine is awake again.
			return [][]string{{"systemctl", "--no-ask-password", "--no-block", string(request.Method)}}
		}
		return [][]string{{"systemctl", "--no-ask-password", "--no-wall", string(request.Method)}}
	}
	switch request.Method {
	case PowerOff:
		return [][]string{{"shutdown", "-h", "-P", "now"}, {"poweroff"}}
	case Reboot:
		return [][]string{{"shutdown", "-r", "now"}, {"reboot"}}
	case Halt:
		return [][]string{{"shutdown", "-h", "-H", "now"}, {"halt"}}
	}
	return [][]string{{"telinit", strconv.Itoa(request.Level)}}
}

// command is the first of commands that this system has, by its path.
func (c *Client) command(op string, request Request) ([]string, error) {
	var missing []string
	for _, argv := range c.commands(request) {
		if path := c.find(argv[0]); path != "" {
			return append([]string{path}, argv[1:]...), nil
		}
		missing = append(missing, argv[0])
	}
	return nil, primitives.Errorf(primitives.Unsupported, op, "",
		"%s is not possible: this system has no logind for it and no program %s", request.describe(), strings.Join(missing, " or "))
}

func (c *Client) toolPermits(op string, request Request) error {
	argv, err := c.command(op, request)
	if err != nil {
		return err
	}
	if c.euid != 0 {
		return c.needsRoot(op, request, argv)
	}
	return nil
}

func (c *Client) needsRoot(op string, request Request, argv []string) error {
	return primitives.Errorf(primitives.Denied, op, "",
		"%s needs root here (it is done by %s, not by logind), and this is account %s: run as root",
		request.describe(), strings.Join(argv, " "), c.account())
}

func (c *Client) askTool(ctx context.Context, op string, request Request) (Accepted, error) {
	argv, err := c.command(op, request)
	if err != nil {
		return Accepted{}, err
	}
	line := strings.Join(argv, " ")
	output, exit, err := c.Run(ctx, argv, "")
	switch {
	case err != nil && ctx.Err() != nil:
		return Accepted{}, primitives.Wrap(op, "", line+" was asked, and did not end in time: see whether the machine goes down", ctx.Err())
	case err != nil:
		return Accepted{}, primitives.Wrap(op, "", line+" did not run", err)
	case exit != 0 && c.euid != 0:
		return Accepted{}, c.needsRoot(op, request, argv)
	case exit != 0:
		return Accepted{}, primitives.Errorf(primitives.Internal, op, "", "%s failed (exit status %d): %s", line, exit, strings.TrimSpace(output))
	}
	return Accepted{Via: filepath.Base(argv[0])}, nil
}

// systemdIsInit is sd_booted(3).
func systemdIsInit() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// findProgram looks in PATH and then where the system's tools are, which the
// PATH of an account that is not root often leaves out.
func findProgram(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	return ""
}

func accountName() string {
	if account, err := user.Current(); err == nil {
		return account.Username
	}
	return strconv.Itoa(os.Geteuid())
}

// runProgram is Options.Run on the real system.
func runProgram(ctx context.Context, argv []string, stdin string) (string, int, error) {
	var output bytes.Buffer
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Env = append(primitives.Environment(), "LC_ALL=C")
	command.Stdin = strings.NewReader(stdin)
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = time.Second
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return output.String(), exit.ExitCode(), nil
	}
	return output.String(), 0, err
}
