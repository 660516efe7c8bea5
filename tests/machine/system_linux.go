package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// System is the init that a machine has.
type System string

// The systems. OpenRC is Debian's, below sysvinit's init. One without systemd has
// neither logind nor D-Bus, and no PowerOff.
const (
	Systemd  System = "" // the zero value
	SysVInit System = "sysvinit"
	OpenRC   System = "openrc"
)

// hasBooted are what a machine's root asks whether the boot has finished, and
// the answers that say so.
var hasBooted = map[System]struct {
	line    string
	answers []string
}{
	Systemd:  {"systemctl is-system-running --wait", []string{"running", "degraded"}},
	SysVInit: {"runlevel", []string{"N 2"}},
	OpenRC:   {"runlevel", []string{"N 2"}},
}

// ready waits until the machine's init says that the boot has finished.
func (m *Machine) ready(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for {
		state, err := m.Try(ctx, hasBooted[m.system].line)
		if slices.Contains(hasBooted[m.system].answers, state) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("its init says %q: %w", state, err)
		case <-m.off:
			return errors.New("it is off")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
