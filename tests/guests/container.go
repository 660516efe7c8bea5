//go:build linux

package guests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/tests/testneed"

	"github.com/digitalocean/go-libvirt"
)

// systemdInit is PID 1 of a container without /dev/initctl, and does as systemd
// does: it powers off on SIGRTMIN+4 alone (34+4), and begins anew on SIGTERM.
const systemdInit = `#!/bin/busybox sh
trap 'exit 0' 38
trap 'echo "guest: ready" >>/ready' TERM
echo "guest: ready" >/ready
while :; do /bin/busybox sleep 3600 & wait $!; done
`

// LikeSystemd gives a container that is off an init that heeds systemd's signals.
func (g *Guest) LikeSystemd(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(g.Console), "init"), []byte(systemdInit), 0o755); err != nil {
		t.Fatal(err)
	}
}

// containerInit is PID 1 of a container: it ends on SIGTERM, and on a request
// to change the run level (init's struct init_request, 384 bytes on a FIFO).
const containerInit = `#!/bin/busybox sh
/bin/busybox mkfifo /dev/initctl
trap 'exit 0' TERM
( /bin/busybox head -c 384 /dev/initctl >/dev/null; kill -TERM 1 ) &
echo "guest: ready" >/ready
while :; do /bin/busybox sleep 3600 & wait $!; done
`

// DefineContainer defines a persistent LXC container, which is off. It skips
// the test where the machine has not what libvirt's containers need.
func (l *Libvirtd) DefineContainer(t testing.TB, name string) *Guest {
	t.Helper()
	image := BuildGuest(t)
	container := l.newGuest("lxc", name)
	root := filepath.Join(l.Folder, name+".root")
	container.Console = filepath.Join(root, "ready")
	if err := containerRoot(root, image); err != nil {
		t.Fatal(err)
	}
	if err := container.define(containerXML(container, root)); err != nil {
		testneed.Skip(t, t.Name(), "libvirt has no LXC here: "+err.Error(), "mount the control groups and provide /dev/fuse")
	}
	return container
}

// StartContainer starts a container, or skips the test where the machine's
// control groups do not allow it.
func (g *Guest) StartContainer(t testing.TB) {
	t.Helper()
	os.Remove(g.Console)
	err := g.do(func(r *rpc, domain libvirt.Domain) error { return r.DomainCreate(domain) })
	if err != nil {
		testneed.Skip(t, t.Name(), "no container starts: "+strings.ReplaceAll(err.Error(), "\n", " "), "mount the control groups memory, devices, cpuacct and provide /dev/fuse")
	}
}

func containerRoot(root string, image Image) error {
	for _, folder := range []string{"bin", "dev", "proc", "sys", "run"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return err
		}
	}
	busybox, err := os.ReadFile(image.Busybox)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "busybox"), busybox, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "init"), []byte(containerInit), 0o755)
}

// containerXML is the definition of an LXC container.
// Source: https://libvirt.org/drvlxc.html
func containerXML(container *Guest, root string) string {
	return fmt.Sprintf(`<domain type='lxc'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type>exe</type><init>/init</init></os>
<devices><emulator>/usr/lib/libvirt/libvirt_lxc</emulator>
<filesystem type='mount'><source dir='%s'/><target dir='/'/></filesystem>
<console type='pty'/></devices></domain>`, container.Name, container.UUID, root)
}
