// Package netns runs a test binary a second time in a network namespace of its
// own, so that tests can make interfaces and send frames without touching the
// machine's network. The namespace has no name and ends with the process.
//
// A package uses it with one line,
//
//	func TestMain(m *testing.M) { os.Exit(netns.Main(m)) }
//
// and each test that works on the namespace begins with netns.Need(t).
package netns

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ctys/tests/testneed"
)

// The environment of the second run: how far the process is inside, or the
// reason why no namespace could be made.
const (
	insideVariable = "CTYS_TEST_NETNS"
	started        = "started" // in the namespace, /sys not yet
	entered        = "entered"

	causeVariable = "CTYS_TEST_NETNS_CAUSE"
)

// Need skips the test where the process is not in a namespace of its own.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(insideVariable) == "" {
		testneed.Skip(t, t.Name(), "no network namespace could be made: "+os.Getenv(causeVariable),
			"run make test as root on Linux")
	}
}

// Run runs a program in the namespace and fails the test with its output if it
// fails. The command is given as one line and split at blanks.
func Run(t testing.TB, line string) {
	t.Helper()
	if out, err := command(t, line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// Try runs a program as Run does and gives its output and error.
func Try(t testing.TB, line string) (string, error) {
	t.Helper()
	out, err := command(t, line).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func command(t testing.TB, line string) *exec.Cmd {
	t.Helper()
	words := strings.Fields(line)
	packages := map[string]string{"ip": "iproute2", "bridge": "iproute2"}
	debianPackage := packages[words[0]]
	if debianPackage == "" {
		debianPackage = words[0]
	}
	return exec.Command(testneed.Program(t, words[0], debianPackage), words[1:]...)
}

// Veth makes two Ethernet interfaces that are joined like a cable, both up,
// with the given hardware address on the first. They are removed at the end of
// the test.
func Veth(t testing.TB, first, second, mac string) {
	t.Helper()
	Run(t, fmt.Sprintf("ip link add %s address %s type veth peer name %s", first, mac, second))
	t.Cleanup(func() { Run(t, "ip link del "+first) })
	Run(t, "ip link set "+first+" up")
	Run(t, "ip link set "+second+" up")
}
