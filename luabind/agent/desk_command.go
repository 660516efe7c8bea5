package agent

import (
	"bytes"
	"context"
	"net"
	"strings"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/exec"
	"ctys/primitives/remote"
)

// Dial opens a connection from a machine ("lab01", "root@lab01",
// "lab01:2222") to an address as that machine sees it; "" is this one. Package
// stack reaches hypervisors so. Errors are those of remote.Client.Connect and
// remote.Conn.Dial.
func (d *Desk) Dial(ctx context.Context, host, network, address string) (net.Conn, error) {
	if host == "" {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	place, err := parsePlace(host)
	if err != nil {
		return nil, err
	}
	line, err := d.connect(ctx, place)
	if err != nil {
		return nil, err
	}
	return line.Dial(ctx, network, address)
}

// Command runs a program on a machine, or here where host is "", and gives its
// standard output; an exit status other than 0 is an error whose text holds
// what the program wrote on standard error.
func (d *Desk) Command(ctx context.Context, host string, argv []string) (stdout string, err error) {
	if host == "" {
		return d.commandHere(ctx, argv)
	}
	place, err := parsePlace(host)
	if err != nil {
		return "", err
	}
	line, err := d.connect(ctx, place)
	if err != nil {
		return "", err
	}
	return line.Output(ctx, argv...)
}

func (d *Desk) commandHere(ctx context.Context, argv []string) (string, error) {
	result, err := d.options.Local.Run(ctx, exec.Request{Argv: argv, Limit: maxOutput})
	if err != nil {
		return "", err
	}
	if result.Exit != 0 {
		return result.Stdout, primitives.Errorf(primitives.Unsupported, "exec.run", "", "%s: exit code %d: %s", argv[0], result.Exit, result.Stderr)
	}
	if result.Truncated {
		return "", primitives.Errorf(primitives.Invalid, "exec.run", "", "%s printed more than %d MiB", argv[0], maxOutput>>20)
	}
	return result.Stdout, nil
}

// maxOutput is as much as remote.Conn.Output takes.
const maxOutput = 16 << 20

// Remote gives the desk as luabind.Remote.
func (d *Desk) Remote() luabind.Remote { return commands{d} }

type commands struct{ desk *Desk }

// Run is luabind.Remote.
func (c commands) Run(ctx context.Context, machine luabind.Machine, argv []string, stdin string, limit int) (luabind.RemoteResult, error) {
	line, err := c.desk.connect(ctx, placeOf(machine))
	if err != nil {
		return luabind.RemoteResult{}, err
	}
	stdout, stderr := &head{limit: limit}, &head{limit: limit}
	exit, err := line.Run(ctx, remote.Command{Argv: argv, Stdin: strings.NewReader(stdin), Stdout: stdout, Stderr: stderr})
	return luabind.RemoteResult{Exit: exit, Stdout: stdout.String(), Stderr: stderr.String()}, err
}

// head keeps the beginning of what is written to it.
type head struct {
	bytes.Buffer
	limit int
}

func (h *head) Write(text []byte) (int, error) {
	if room := h.limit - h.Len(); room > 0 {
		h.Buffer.Write(text[:min(room, len(text))])
	}
	return len(text), nil
}
