package nic

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ctys/primitives"
)

// devices reads what stands behind interfaces from sysfs (Linux,
// Documentation/ABI/testing/sysfs-class-net and sysfs-devices-power).
type devices struct {
	root string // /sys/class/net
}

var systemDevices = devices{root: "/sys/class/net"}

// device is what stands behind one interface.
type device struct {
	real    bool   // a card, or what a hypervisor shows as one
	driver  string // "e1000e"
	address string // "0000:00:03.0"
	wakeup  string // "enabled", "disabled", or empty where it cannot wake
}

// of gives the device of an interface; the zero device where it has none.
func (d devices) of(name string, index int) device {
	path := d.path(name, index)
	if path == "" {
		return device{}
	}
	bus := busOf(path)
	return device{
		// A vif is the host's end of a Xen guest's card.
		real:    bus != "xen-backend",
		driver:  target(filepath.Join(path, "driver")),
		address: filepath.Base(busDevice(path, bus)),
		wakeup:  wakeup(wakeDevices(path, bus)),
	}
}

// path is the folder of an interface's device, empty where it has none. The
// /sys of another network namespace may show another interface by this name, so
// the index is compared.
func (d devices) path(name string, index int) string {
	folder := filepath.Join(d.root, name)
	if word(filepath.Join(folder, "ifindex")) != strconv.Itoa(index) {
		return ""
	}
	path, err := filepath.EvalSymlinks(filepath.Join(folder, "device"))
	if err != nil {
		return ""
	}
	return path
}

// busDevice is the one whose address people know: a virtio device sits on a
// PCI device of its own.
func busDevice(path, bus string) string {
	if bus == "virtio" {
		return filepath.Dir(path)
	}
	return path
}

// wakeDevices are the devices whose power/wakeup must be enabled so that a card
// may wake the machine.
//
//	PCI   the function; where it cannot wake, the nearest bridge above it that can,
//	      which is whom the kernel lets wake in its place (pci-acpi.c)
//	USB   the device, not the function that carries the interface, and the host
//	      controller that it hangs on (Linux, Documentation/driver-api/usb/power-management.rst)
//	else  the device itself
//
// Those that have no such setting are left out.
func wakeDevices(path, bus string) []string {
	switch bus {
	case "pci":
		for ; onBus(path, "pci"); path = filepath.Dir(path) {
			if canWake(path) {
				return []string{path}
			}
		}
		return nil
	case "usb":
		device := filepath.Dir(path)
		controller := device
		for onBus(controller, "usb") {
			controller = filepath.Dir(controller)
		}
		return filter(canWake, device, controller)
	}
	return filter(canWake, path)
}

func filter(fits func(string) bool, paths ...string) []string {
	var found []string
	for _, path := range paths {
		if fits(path) {
			found = append(found, path)
		}
	}
	return found
}

// wakeup is what the settings of devices come to: one that is disabled keeps the
// others from waking the machine.
func wakeup(devices []string) string {
	all := ""
	for _, path := range devices {
		if all != "disabled" {
			all = word(setting(path))
		}
	}
	return all
}

// enable lets the devices behind an interface wake the machine, and reads that
// back. Those that may already are not written to.
func (d devices) enable(name string, index int) error {
	path := d.path(name, index)
	if path == "" {
		return nil
	}
	for _, device := range wakeDevices(path, busOf(path)) {
		file := setting(device)
		if word(file) == "enabled" {
			continue
		}
		if err := os.WriteFile(file, []byte("enabled"), 0); err != nil {
			return err
		}
		if now := word(file); now != "enabled" {
			return primitives.Errorf(primitives.Internal, "nic.arm", name, "%s was set to enabled, and reads back %q", file, now)
		}
	}
	return nil
}

func setting(device string) string { return filepath.Join(device, "power", "wakeup") }

// canWake: a device that cannot wake has no such file; older kernels leave it
// empty.
func canWake(device string) bool { return word(setting(device)) != "" }

func busOf(path string) string { return target(filepath.Join(path, "subsystem")) }

func onBus(path, name string) bool { return busOf(path) == name }

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
