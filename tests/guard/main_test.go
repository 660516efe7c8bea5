//go:build linux

// Package guard kills the program while a bridge is dissolved by it, in a network
// namespace of its own, and looks whether the bridge comes back.
package guard

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctys/luabind/agent"
	"ctys/tests/netns"
)

// TestMain also is the programs that tests start: one that takes a bridge apart,
// and the agent that its guards call.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "agent":
		os.Exit(agent.Main(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr, agent.Host{}))
	case len(os.Args) == 6 && os.Args[1] == "apart":
		if err := apart(os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	folder, err := os.MkdirTemp("", "ctys-guard-")
	if err != nil {
		panic(err)
	}
	built = folder
	code := netns.Main(m)
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// built is the folder of the program, which all tests share.
var built string

var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(built, "ctys")
	command := exec.Command("go", "build", "-o", program, "ctys/cmd/ctys")
	command.Stderr = os.Stderr
	return program, command.Run()
})

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal("the program cannot be built: ", err)
	}
	return path
}

const (
	bridgeName = "gbr0"
	portName   = "gport"
)

// network makes a bridge with a port as a host has it, and gives what is seen of
// it.
func network(t *testing.T) func() string {
	t.Helper()
	netns.Need(t)
	ownLeases(t)
	netns.Veth(t, portName, "gfar", "02:00:5e:00:53:31")
	netns.Run(t, "ip link add "+bridgeName+" address 02:00:5e:00:53:30 type bridge")
	t.Cleanup(func() { _, _ = netns.Try(t, "ip link del "+bridgeName) })
	for _, line := range []string{
		"ip link set " + portName + " master " + bridgeName,
		"ip link set " + bridgeName + " up",
		"ip addr add 192.0.2.5/24 dev " + bridgeName,
		"ip addr add 2001:db8::5/64 nodad dev " + bridgeName,
		"ip route add default via 192.0.2.1",
		"ip route add 198.51.100.0/24 via 192.0.2.2 table 100",
	} {
		netns.Run(t, line)
	}
	return func() string { return seen(t) }
}

// seen is what the operator sees of the network, without what the kernel makes by
// itself and in its own time.
func seen(t *testing.T) string {
	t.Helper()
	var all []string
	for _, line := range []string{"ip -o addr show", "ip route show table all", "ip -o link show master " + bridgeName} {
		out, err := netns.Try(t, line)
		if err != nil {
			out = err.Error()
		}
		for _, fact := range strings.Split(out, "\n") {
			if !strings.Contains(fact, "fe80::") && !strings.Contains(fact, "ff00::") && !strings.Contains(fact, "table local") {
				all = append(all, plain.Replace(fact))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// ownLeases keeps the runs of the test apart from those of the machine. The
// mounts of the namespace are its own.
func ownLeases(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("tmpfs", "/run/lock", "tmpfs", 0, ""); err != nil {
		t.Fatal("the folder of the leases cannot be replaced: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount("/run/lock", syscall.MNT_DETACH) })
}

// plain takes out what a link that was just set up has for a moment.
var plain = strings.NewReplacer(" tentative", "", " linkdown", "")

// holder is a run of the program that has armed guards and dissolved the bridge.
type holder struct {
	*exec.Cmd
	t     *testing.T
	state string // folder of the journals
}

const dissolving = `
local seen = bridge.snapshot("` + bridgeName + `")
local stand = bridge.guard{snapshot = seen, after = AFTER}
bridge.dissolve{snapshot = seen, port = "` + portName + `"}
assert(stand.child == true and stand.timer ~= true)
`

// hold runs a script after the bridge was dissolved; it prints "so far" at the
// point where the test goes on.
func hold(t *testing.T, after, script string) *holder {
	t.Helper()
	h := &holder{t: t, state: t.TempDir()}
	h.Cmd = exec.Command(program(t), "eval", strings.Replace(dissolving, "AFTER", after, 1)+script)
	h.Env = append(os.Environ(), "XDG_STATE_HOME="+h.state, "HOME="+h.state)
	h.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h.Stderr = os.Stderr
	out, err := h.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-h.Process.Pid, syscall.SIGKILL)
		_ = h.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "so far") {
			return h
		}
	}
	t.Fatal("the run ended before the bridge was dissolved")
	return nil
}

// file is what a guard was given, by its suffix.
func (h *holder) file(suffix string) string {
	h.t.Helper()
	found, err := filepath.Glob(filepath.Join(h.state, "ctys/jobs/*/guard-1.json"+suffix))
	if err != nil {
		h.t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// awaits gives the network time to be as it was.
func awaits(t *testing.T, seen func() string, want string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now := seen()
		if now == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the network is not as it was:\n%s\nbefore:\n%s", now, want)
		}
	}
}
