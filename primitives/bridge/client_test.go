package bridge

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// memory is a system whose steps are done in memory.
type memory struct {
	now  Snapshot
	done []string
	fail func(step Step) error
}

func (m *memory) bridges() ([]Bridge, error) { return []Bridge{{Name: "br0"}, {Name: "virbr0"}}, nil }

func (m *memory) observe(string, []string) (Snapshot, error) { return m.now, nil }

func (m *memory) above(string) ([]string, error) { return nil, nil }

func (m *memory) apply(step Step) error {
	if m.fail != nil {
		if err := m.fail(step); err != nil {
			return err
		}
	}
	m.done = append(m.done, step.String())
	m.now = m.now.After(step)
	return nil
}

// apartInMemory is a client of a host whose bridge was dissolved.
func apartInMemory(t *testing.T) (*Client, *memory, Snapshot) {
	t.Helper()
	snap := sampled(t)
	root := t.TempDir()
	file := filepath.Join(root, "proc/sys/kernel/random/boot_id")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(snap.BootID+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	system := &memory{now: all(t, snap, func(now Snapshot) []Step { return snap.Dissolution(now, "eth0") })}
	return &Client{root: root, system: system}, system, snap
}

func TestRestoreGoesOnPastWhatFails(t *testing.T) {
	client, system, snap := apartInMemory(t)
	system.fail = func(step Step) error {
		if step.Action == Join && step.Interface == "vif1" {
			return unix.EPERM
		}
		return nil
	}
	err := client.Restore(t.Context(), snap)
	if primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "put vif1 into br0: this needs root") {
		t.Errorf("got %v", err)
	}
	if ports := system.now.PortNames(); len(ports) != 1 || ports[0] != "eth0" {
		t.Errorf("in the bridge: %v", ports)
	}
	system.fail = nil
	if err := client.Restore(t.Context(), snap); err != nil {
		t.Error(err)
	}
}

// Something on the host undoes each step at once.
func TestRestoreAgainstSomebody(t *testing.T) {
	client, system, snap := apartInMemory(t)
	lost := system.now
	system.fail = func(step Step) error {
		if step.Action == Join {
			system.now = lost
		}
		return nil
	}
	err := client.Restore(t.Context(), snap)
	if primitives.KindOf(err) != primitives.Internal || !strings.Contains(err.Error(), "something else on this host changes it") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsRefusedBeforeAnythingIsDone(t *testing.T) {
	client, system, snap := apartInMemory(t)
	earlier, wrong := snap, snap
	earlier.BootID, wrong.Version = "another", 7
	ended, end := context.WithCancel(t.Context())
	end()
	for name, err := range map[string]error{
		"an earlier boot":    client.Restore(t.Context(), earlier),
		"another version":    client.Restore(t.Context(), wrong),
		"no bridge":          second(client.Snapshot(t.Context(), "br9")),
		"no bridge to ask":   second(client.Managers(t.Context(), "eth0")),
		"a port of none":     second(client.Dissolution(t.Context(), snap, "eth9")),
		"no snapshot at all": client.Restore(t.Context(), Snapshot{}),
	} {
		if primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{client.Restore(ended, snap), client.Apply(ended, Step{Action: BringUp, Interface: "eth0"})} {
		if primitives.KindOf(err) != primitives.Canceled {
			t.Errorf("after its end: %v", err)
		}
	}
	if len(system.done) != 0 {
		t.Errorf("done: %v", system.done)
	}
}

func second[T any](_ T, err error) error { return err }
