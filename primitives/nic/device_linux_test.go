package nic

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sysfs builds a tree as /sys has it.
type sysfs struct {
	t    *testing.T
	root string
}

func (s sysfs) file(path, content string) {
	s.t.Helper()
	path = filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s sysfs) link(path, target string) {
	s.t.Helper()
	path = filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(s.root, target), path); err != nil {
		s.t.Fatal(err)
	}
}

// card puts a device on a bus behind an interface.
func (s sysfs) card(name string, index int, path, bus, driver string) {
	s.t.Helper()
	s.file("class/net/"+name+"/ifindex", fmt.Sprint(index))
	s.file(path+"/uevent", "")
	s.link("class/net/"+name+"/device", path)
	s.link(path+"/subsystem", "bus/"+bus)
	s.link(path+"/driver", "bus/"+bus+"/drivers/"+driver)
}

func TestDevices(t *testing.T) {
	tree := sysfs{t, t.TempDir()}
	tree.card("eth0", 2, "devices/pci0000:00/0000:00:1f.6", "pci", "e1000e")
	tree.file("devices/pci0000:00/0000:00:1f.6/power/wakeup", "enabled")
	tree.card("eth1", 3, "devices/pci0000:00/0000:00:03.0/virtio2", "virtio", "virtio_net")
	tree.card("eth2", 4, "devices/pci0000:00/usb1/1-1/1-1:1.0", "usb", "ax88179_178a")
	tree.file("devices/pci0000:00/usb1/1-1/power/wakeup", "disabled")
	tree.card("eth3", 5, "devices/vif-0", "xen", "vif")
	tree.card("vif1.0", 6, "devices/vif-1-0", "xen-backend", "vif")
	tree.card("eth4", 7, "devices/pci0000:00/0000:00:1f.7", "pci", "r8169")
	tree.file("devices/pci0000:00/0000:00:1f.7/power/wakeup", "")
	tree.file("class/net/br0/ifindex", "8")

	seen := devices{root: filepath.Join(tree.root, "class/net")}
	tests := []struct {
		name  string
		index int
		want  device
	}{
		{"eth0", 2, device{true, "e1000e", "0000:00:1f.6", "enabled"}},
		{"eth1", 3, device{true, "virtio_net", "0000:00:03.0", ""}},
		{"eth2", 4, device{true, "ax88179_178a", "1-1:1.0", "disabled"}},
		{"eth3", 5, device{true, "vif", "vif-0", ""}},
		{"vif1.0", 6, device{false, "vif", "vif-1-0", ""}},
		{"eth4", 7, device{true, "r8169", "0000:00:1f.7", ""}},
		{"br0", 8, device{}},
		{"eth0", 99, device{}}, // another namespace's eth0
		{"none", 1, device{}},
	}
	for _, test := range tests {
		if got := seen.of(test.name, test.index); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

// What must be enabled is what the kernel lets wake the machine for the card.
func TestEnable(t *testing.T) {
	const port, bridge = "devices/pci0000:00/0000:00:1c.0", "devices/pci0000:00/0000:00:1c.0/0000:02:00.0"
	const controller, hub, usb = "devices/pci0000:00/0000:00:14.0", "devices/pci0000:00/0000:00:14.0/usb1", "devices/pci0000:00/0000:00:14.0/usb1/1-2"
	tests := []struct {
		name     string
		card     string            // its device
		bus      string            // of it
		above    map[string]string // devices that it stands on, and their buses
		settings map[string]string // power/wakeup before
		enabled  []string
		before   string // power/wakeup of the card, as it is told
		after    string
	}{
		{"PCI", bridge + "/0000:03:00.0", "pci", map[string]string{bridge: "pci", port: "pci"},
			map[string]string{bridge + "/0000:03:00.0": "disabled", bridge: "disabled", port: "disabled"},
			[]string{bridge + "/0000:03:00.0"}, "disabled", "enabled"},
		{"PCI by the bridge above", bridge + "/0000:03:00.0", "pci", map[string]string{bridge: "pci", port: "pci"},
			map[string]string{port: "disabled"}, []string{port}, "disabled", "enabled"},
		{"PCI, an empty setting", bridge + "/0000:03:00.0", "pci", map[string]string{bridge: "pci", port: "pci"},
			map[string]string{bridge + "/0000:03:00.0": "", bridge: "disabled", port: "disabled"}, []string{bridge}, "disabled", "enabled"},
		{"PCI that cannot wake", bridge + "/0000:03:00.0", "pci", map[string]string{bridge: "pci", port: "pci"}, nil, nil, "", ""},
		{"USB", usb + "/1-2:1.0", "usb", map[string]string{usb: "usb", hub: "usb", controller: "pci"},
			map[string]string{usb: "disabled", hub: "disabled", controller: "enabled"}, []string{usb, controller}, "disabled", "enabled"},
		{"USB on a disabled controller", usb + "/1-2:1.0", "usb", map[string]string{usb: "usb", hub: "usb", controller: "pci"},
			map[string]string{usb: "enabled", hub: "disabled", controller: "disabled"}, []string{usb, controller}, "disabled", "enabled"},
		{"on a chip", "devices/platform/30be0000.ethernet", "platform", nil,
			map[string]string{"devices/platform/30be0000.ethernet": "disabled"}, []string{"devices/platform/30be0000.ethernet"}, "disabled", "enabled"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := sysfs{t, t.TempDir()}
			tree.card("eth0", 2, test.card, test.bus, "driver")
			for path, bus := range test.above {
				tree.file(path+"/uevent", "")
				tree.link(path+"/subsystem", "bus/"+bus)
			}
			for path, state := range test.settings {
				tree.file(path+"/power/wakeup", state)
			}
			seen := devices{root: filepath.Join(tree.root, "class/net")}
			if got := seen.of("eth0", 2).wakeup; got != test.before {
				t.Errorf("before: %q, want %q", got, test.before)
			}
			if err := seen.enable("eth0", 2); err != nil {
				t.Fatal(err)
			}
			if got := seen.of("eth0", 2).wakeup; got != test.after {
				t.Errorf("after: %q, want %q", got, test.after)
			}
			for path, before := range test.settings {
				want := before
				if slices.Contains(test.enabled, path) {
					want = "enabled"
				}
				if got := word(filepath.Join(tree.root, path, "power/wakeup")); got != want {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
		})
	}
	tree := sysfs{t, t.TempDir()}
	tree.card("eth0", 2, "devices/pci0000:00/0000:00:03.0", "pci", "e1000e")
	tree.file("devices/pci0000:00/0000:00:03.0/power/wakeup", "disabled")
	seen := devices{root: filepath.Join(tree.root, "class/net")}
	if err := seen.enable("eth0", 99); err != nil || seen.of("eth0", 2).wakeup != "disabled" {
		t.Errorf("the eth0 of another namespace was touched: %v", err)
	}
}
