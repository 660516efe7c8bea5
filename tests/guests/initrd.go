//go:build linux

package guests

import (
	_ "embed"
	"os"
	"testing"

	"ctys/tests/bootimage"
)

// initScript is PID 1 of a guest.
//
//go:embed init.sh
var initScript []byte

// modules are the parts of the kernel that a guest loads.
var modules = []string{
	"button", "evdev",
	"virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_console",
}

// writeInitrd writes what every guest boots beside the kernel.
func writeInitrd(t testing.TB, parts bootimage.Parts, path string) {
	t.Helper()
	initrd, err := parts.Initrd(modules...)
	if err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "mount", "cat", "echo", "head", "insmod", "sleep", "poweroff", "reboot"} {
		initrd.Link("bin/"+applet, "busybox")
	}
	initrd.Program("init", initScript)
	if err := os.WriteFile(path, initrd.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
