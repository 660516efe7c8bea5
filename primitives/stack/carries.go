package stack

import (
	"context"

	"ctys/primitives"
)

// Carries tells whether a machine has, or may have, guests of its own: a socket
// of libvirt, marks of guests that run, Xen's control domain, a QEMU, or a place
// that this account may not look into. run runs one program there and gives what it
// printed. It changes nothing. Errors are those of run, and Internal where the
// machine's shell did not finish.
func Carries(ctx context.Context, run func(ctx context.Context, argv []string) (string, error)) (bool, error) {
	const op = "stack.carries"
	out, err := run(ctx, []string{"sh", "-c", survey})
	if err != nil {
		return false, primitives.Wrap(op, "", "cannot look for hypervisors", err)
	}
	found, err := parseSurvey(out)
	if err != nil {
		return false, primitives.Wrap(op, "", "cannot look for hypervisors", err)
	}
	return len(found.sockets) > 0 || len(found.guests) > 0 || len(found.locked) > 0 || found.xen || found.qemu || found.hidden, nil
}
