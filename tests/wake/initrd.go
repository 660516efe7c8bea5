//go:build linux

package wake

import (
	"bytes"
	"crypto/ed25519"
	_ "embed"
	"encoding/binary"
	"strings"
	"testing"

	"ctys/tests/bootimage"
)

// startScript is what the machine's init runs first.
//
//go:embed start.sh
var startScript []byte

// initTable is the inittab of busybox's init. Where a system has services to
// stop before the processes are killed, this one sleeps.
const initTable = `::sysinit:/etc/start
::respawn:/bin/syslogd -n -O /var/log/messages
::respawn:/usr/sbin/dropbear -F -E -s -W 1048576 -r /etc/dropbear/hostkey
::shutdown:/bin/sleep 2
`

// modules are the parts of the kernel that the machine loads, in this order.
var modules = []string{
	"e1000e",
	"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "failover", "net_failover", "virtio_net", "virtio_pci",
	"llc", "stp", "bridge",
}

// initrd is the machine's file tree.
func (m *Machine) initrd(t testing.TB, parts bootimage.Parts) []byte {
	t.Helper()
	a, err := parts.Initrd(modules...)
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Programs(a); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"etc", "etc/dropbear", "run", "sbin", "usr/bin", "var", "var/log"} {
		a.Folder(folder, 0o755)
	}
	for _, folder := range []string{"root", "root/.ssh"} {
		a.Folder(folder, 0o700)
	}
	for _, folder := range []string{"tmp", "var/tmp"} {
		a.Folder(folder, 0o777)
	}
	a.Link("init", "bin/busybox")
	a.Program("etc/start", startScript)
	for name, text := range map[string]string{
		"etc/inittab":  initTable,
		"etc/modules":  strings.Join(modules, "\n") + "\n",
		"etc/hostname": m.Name + "\n",
		"etc/address":  m.IP + "/24\n",
		"etc/hosts":    "127.0.0.1 localhost\n" + m.IP + " " + m.Name + "\n",
		"etc/passwd":   "root:x:0:0:root:/root:/bin/sh\n",
		"etc/group":    "root:x:0:\n",
		"etc/shells":   "/bin/sh\n",
	} {
		a.File(name, 0o644, []byte(text))
	}
	a.File("root/.ssh/authorized_keys", 0o600, m.AuthorizedKey())
	a.File("etc/dropbear/hostkey", 0o600, dropbearKey(m.HostPrivateKey))
	return a.Bytes()
}

// dropbearKey is a private key in the form of dropbear: the name of its type,
// and the seed with the public key, each with its length in front.
func dropbearKey(key ed25519.PrivateKey) []byte {
	var out bytes.Buffer
	for _, field := range [][]byte{[]byte("ssh-ed25519"), key} {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(field))) // never fails
		out.Write(field)
	}
	return out.Bytes()
}
