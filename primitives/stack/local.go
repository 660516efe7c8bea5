package stack

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"

	"ctys/primitives"
)

// dialHere is the Dial of a client without one.
func dialHere(ctx context.Context, host, network, address string) (net.Conn, error) {
	if host != "" {
		return nil, noWayTo(host)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

// runHere is the Run of a client without one.
func runHere(ctx context.Context, host string, argv []string) (string, error) {
	if host != "" {
		return "", noWayTo(host)
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// messages are compared with the untranslated ones
	command.Env = append(primitives.Environment(), "LC_ALL=C")
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err == nil {
		return string(out), nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	kind := primitives.KindOf(err)
	if errors.Is(err, exec.ErrNotFound) {
		kind = primitives.Unsupported
	}
	return string(out), &primitives.Error{Kind: kind, Op: "stack.run", Message: argv[0] + ": " + strings.TrimSpace(stderr.String()), Cause: err}
}

func noWayTo(host string) error {
	return primitives.Errorf(primitives.Unsupported, "stack.dial", host, "this client has no way to other hosts")
}
