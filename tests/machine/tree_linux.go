package machine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctys/tests/testneed"
)

// suite and packages are what a machine's disk is made of.
const suite = "bookworm"

var packages = map[System][]string{
	Systemd:  {"systemd", "systemd-sysv", "dbus", "libpam-systemd", "polkitd", "openssh-server", "bsdutils", "iproute2"},
	SysVInit: {"sysvinit-core", "sysv-rc", "initscripts", "openssh-server", "bsdutils", "iproute2"},
	OpenRC:   {"sysvinit-core", "openrc", "openssh-server", "bsdutils", "iproute2"},
}

// tidyScript turns the fresh tree into one that boots fast and without asking:
// an account beside root, keys made by each machine, and what tidyMore has.
const tidyScript = `
set -e
cd "$1"
chroot . useradd --create-home --shell /bin/bash --gid operator operator # a group that Debian has already
rm -f etc/ssh/ssh_host_* var/lib/dbus/machine-id etc/hostname etc/resolv.conf
: >etc/machine-id
: >etc/fstab
cat >etc/ssh/sshd_config.d/machine.conf <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 100
MaxSessions 100
END
`

// tidyMore takes away what needs hardware, terminals or the time of day.
var tidyMore = map[System]string{
	Systemd: `
for unit in getty.target console-getty.service user@.service user-runtime-dir@.service systemd-networkd.service \
    systemd-networkd.socket systemd-firstboot.service systemd-pstore.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
    ln -sf /dev/null etc/systemd/system/$unit
done
# What a test leaves running holds a power-off up for 10 seconds, not for 90.
mkdir -p etc/systemd/system.conf.d
printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >etc/systemd/system.conf.d/machine.conf
`,
	OpenRC: `
sed -i '/getty/d' etc/inittab
for script in hwclock hwclock.sh; do chroot . rc-update -a del $script || true; done
`,
	SysVInit: `
sed -i '/getty/d' etc/inittab
for script in hwclock.sh; do chroot . update-rc.d -f $script remove; done
`,
}

// noTree is why a build failed: the next test of this process does not wait for
// another failure.
var noTree struct {
	sync.Mutex
	complaint string
}

// tree gives the directory of the shared disk and builds it where it is
// missing. Other test processes wait for the one that builds.
func tree(t testing.TB, system System) string {
	t.Helper()
	noTree.Lock()
	defer noTree.Unlock()
	dir := filepath.Join(moduleRoot(t), ".cache", "machine")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock := lock(t, filepath.Join(dir, "lock"))
	defer unlock()
	done := filepath.Join(dir, treeKey(system))
	if _, err := os.Stat(done); err == nil {
		return done
	}
	program := testneed.Program(t, "mmdebstrap", "mmdebstrap")
	// One name for all recipes: what an interrupted build left is cleared here.
	half := filepath.Join(dir, "half")
	if err := os.RemoveAll(half); err != nil {
		t.Fatal(err)
	}
	if noTree.complaint == "" {
		noTree.complaint = buildTree(program, half, system)
	}
	if noTree.complaint != "" {
		_ = os.RemoveAll(half)
		testneed.Skip(t, t.Name(), "a Debian tree could not be built: "+noTree.complaint, "give the machine a way to a Debian mirror, run again")
	}
	if err := os.Rename(half, done); err != nil {
		t.Fatal(err)
	}
	return done
}

// treeKey changes with whatever makes the tree.
func treeKey(system System) string {
	recipe := suite + strings.Join(packages[system], " ") + tidyScript + tidyMore[system]
	return fmt.Sprintf("%x", sha256.Sum256([]byte(recipe)))[:16]
}

// buildTree gives the last line of a failure, empty after a success.
func buildTree(program, dir string, system System) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, program, "--mode=root", "--format=directory", "--variant=minbase",
		"--include="+strings.Join(packages[system], ","),
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", suite, dir)
	out, err := build.CombinedOutput()
	if err == nil {
		out, err = exec.Command("sh", "-c", tidyScript+tidyMore[system], "sh", dir).CombinedOutput()
	}
	if err == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "E: ") {
			return line
		}
	}
	return fmt.Sprintf("%v: %s", err, lines[len(lines)-1])
}

// lock holds a file against other processes until it is released.
func lock(t testing.TB, path string) (release func()) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = file.Close() }
}

// moduleRoot is the directory of go.mod, above the one where the test runs.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
