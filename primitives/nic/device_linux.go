package nic

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// devices reads what stands behind interfaces from sysfs (Linux,
// Documentation/ABI/testing/sysfs-class-net and sysfs-devices-power).
type devices struct {
	root string // /sys/class/net
}

// device is what stands behind one interface.
type device struct {
	real    bool   // a card, or what a hypervisor shows as one
	driver  string // "e1000e"
	address string // "0000:00:03.0"
	wakeup  string // "enabled", "disabled", or empty where it cannot wake
}

// of gives the device of an interface; the zero device where it has none. The
// /sys of another network namespace may show another interface by this name,
// so the index is compared.
func (d devices) of(name string, index int) device {
	folder := filepath.Join(d.root, name)
	if word(filepath.Join(folder, "ifindex")) != strconv.Itoa(index) {
		return device{}
	}
	path, err := filepath.EvalSymlinks(filepath.Join(folder, "device"))
	if err != nil {
		return device{}
	}
	bus := target(filepath.Join(path, "subsystem"))
	return device{
		// A vif is the host's end of a Xen guest's card.
		real:    bus != "xen-backend",
		driver:  target(filepath.Join(path, "driver")),
		address: filepath.Base(busDevice(path, bus)),
		wakeup:  word(filepath.Join(wakeDevice(path, bus), "power", "wakeup")),
	}
}

// busDevice is the one whose address people know: a virtio device sits on a
// PCI device of its own.
func busDevice(path, bus string) string {
	if bus == "virtio" {
		return filepath.Dir(path)
	}
	return path
}

// wakeDevice is the one that may wake the machine: of a USB card it is the
// device, not the function that carries the interface.
func wakeDevice(path, bus string) string {
	if bus == "usb" {
		return filepath.Dir(path)
	}
	return path
}

func word(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func target(link string) string {
	path, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}
