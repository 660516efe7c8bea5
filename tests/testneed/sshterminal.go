package testneed

import (
	"os"
	"strings"
	"testing"
)

// SSHTerminal skips the test where an SSH server of this account can give no
// terminal: one that is not root's may not pass a terminal on to the group tty,
// so that the kernel must do it (mount option gid of devpts, which Debian sets
// and many containers lack).
func SSHTerminal(t testing.TB) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if os.Geteuid() == 0 || err == nil && ttyGroupOf(string(mounts)) {
		return
	}
	Skip(t, t.Name(), "an SSH server of this account can give no terminal here", "run make test as root, or mount /dev/pts with gid=5")
}

func ttyGroupOf(mounts string) bool {
	for _, line := range strings.Split(mounts, "\n") {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[1] == "/dev/pts" && strings.Contains(","+fields[3]+",", ",gid=5,") {
			return true
		}
	}
	return false
}
