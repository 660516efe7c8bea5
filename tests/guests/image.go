//go:build linux

package guests

import (
	_ "embed"
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

// Image is what every guest boots: a kernel and an initramfs.
type Image struct {
	Kernel  string // path of an uncompressed Linux kernel (ELF)
	Initrd  string // path of the initramfs
	Busybox string // path of a static busybox, for containers
}

// BuildGuest gives the image that every guest boots. The initramfs is packed
// anew at each run of the tests, so that a changed script is never missed. It
// skips the test where the parts cannot be had.
func BuildGuest(t testing.TB) Image {
	t.Helper()
	parts := bootimage.Get(t)
	initrd, err := parts.Initrd(modules...)
	if err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "mount", "cat", "echo", "head", "insmod", "sleep", "poweroff", "reboot"} {
		initrd.Link("bin/"+applet, "busybox")
	}
	initrd.Program("init", initScript)
	path, err := parts.Keep("guest.initrd", initrd)
	if err != nil {
		t.Fatal(err)
	}
	return Image{Kernel: parts.Kernel, Initrd: path, Busybox: parts.Busybox}
}
