package stack

import (
	"context"
	"errors"
	"os/exec"
	"testing"

	"ctys/primitives"
)

func TestCarries(t *testing.T) {
	for says, want := range map[string]bool{
		"end": false, "xl\nend": false, "socket libvirt-sock\nend": true, "guests lxc\nend": true,
		"locked /var/run/libvirt\nend": true, "xen\nend": true, "socket virtqemud-sock\nguests qemu\nend": true,
	} {
		got, err := Carries(context.Background(), func(context.Context, []string) (string, error) { return says, nil })
		if got != want || err != nil {
			t.Errorf("%q: %v, %v", says, got, err)
		}
	}
	for _, answer := range []struct {
		says string
		err  error
	}{{"", nil}, {"socket libvirt-sock", nil}, {"end", errors.New("no shell")}} {
		if got, err := Carries(context.Background(), func(context.Context, []string) (string, error) { return answer.says, answer.err }); got || primitives.KindOf(err) != primitives.Internal {
			t.Errorf("%q: %v, %v", answer.says, got, err)
		}
	}
	// The shell of this machine understands the question.
	if _, err := Carries(context.Background(), func(ctx context.Context, argv []string) (string, error) {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
		return string(out), err
	}); err != nil {
		t.Error(err)
	}
}
