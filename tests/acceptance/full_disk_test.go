//go:build linux

package acceptance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullDisk takes the journal its room: nothing is destroyed that is not
// written down before.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	f := newFloor(t)
	t.Run("from the beginning", func(t *testing.T) { fullFromTheBeginning(t, f) })
	t.Run("midway", func(t *testing.T) { fullMidway(t, f) })
}

// fullFromTheBeginning has a file system for the journal with no room in it.
func fullFromTheBeginning(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, nil)
	state := filepath.Join(o.home, ".local/state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	const full = `mount -t tmpfs -o size=64k tmpfs "$1" && { dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null; shift; exec "$@"; }`
	o.place = func(ctx context.Context, argv ...string) *exec.Cmd {
		return f.here(ctx, append([]string{"sh", "-c", full, "sh", state}, argv...)...)
	}
	end := o.calls(t, "-t", "qemu", "-a", "cancel=l:stubborn,force,poweroff", "localhost")
	end.exits(t, 3)
	end.tells(t, "no journal can be written", "no space left on device")
	f.expect(t, true, true)
}

// fullMidway lets no file of the run grow any more when its first guest has been
// asked (setrlimit(2), RLIMIT_FSIZE): what the deadline would destroy stays.
func fullMidway(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	c := o.starts(t, "-t", "pm", "-a", "cancel=poweroff:0,timeout:6", "localhost")
	c.says("stubborn: asked through acpi", 30*time.Second)
	if err := unix.Prlimit(c.command.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1, Max: 1}, nil); err != nil {
		t.Fatal(err)
	}
	end := c.end()
	end.exits(t, 1)
	end.tells(t, "stubborn", "the journal cannot be written (is the disk full?)")
	if !f.stubborn.Running(t) {
		t.Error("it was destroyed, and that is written nowhere")
	}
	if got := about(o.lastJournal(t), "intent", "stack.destroy", ""); len(got) > 0 {
		t.Errorf("in a file that could not grow: %+v", got)
	}
}
