//go:build linux

package bootimage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// modules are the parts of Debian's kernel that some machine loads.
var modules = []string{
	"button", "evdev",
	"virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_console",
	"failover", "net_failover", "virtio_net",
	"e1000e",
	"llc", "stp", "bridge", "mrp", "garp", "8021q", "veth", "macvlan",
}

// keepModules finds the modules, packed or not, anywhere below root.
func (p Parts) keepModules(root string) error {
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, packed := strings.CutSuffix(entry.Name(), ".xz")
		module, isModule := strings.CutSuffix(name, ".ko")
		if !isModule || !slices.Contains(modules, module) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if packed {
			if content, err = unxz(content); err != nil {
				return err
			}
		}
		return replace(p.module(module), content, 0o644)
	})
	if err != nil {
		return err
	}
	for _, module := range modules {
		if !exist(p.module(module)) {
			return fmt.Errorf("the kernel package has no module %s", module)
		}
	}
	return nil
}
