package bridge

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// folder is an interface's in /sys/class/net; empty where /sys shows another
// one by that name, since it was mounted in another network namespace.
type folder string

func sysfs(name string, index int) folder {
	path := folder(filepath.Join("/sys/class/net", name))
	if path.read("ifindex") != strconv.Itoa(index) {
		return ""
	}
	return path
}

// read gives a file's content; empty where there is none.
func (f folder) read(file string) string {
	if f == "" {
		return ""
	}
	content, err := os.ReadFile(filepath.Join(string(f), file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func (f folder) write(file, value string) error {
	if f == "" {
		return fmt.Errorf("/sys shows the interfaces of another network namespace")
	}
	return os.WriteFile(filepath.Join(string(f), file), []byte(value), 0)
}

// settings reads those of the named files that this kernel has.
func (f folder) settings(below string, names []string) map[string]string {
	found := map[string]string{}
	for _, name := range names {
		if value := f.read(below + "/" + name); settingValue.MatchString(value) {
			found[name] = value
		}
	}
	return found
}

// unfiltered are the settings that cannot be changed while VLANs are filtered.
var unfiltered = []string{"default_pvid", "vlan_protocol"}

// configure writes the settings that differ, in the order of names.
func (f folder) configure(below string, names []string, wanted map[string]string) error {
	there := f.settings(below, slices.Collect(maps.Keys(wanted)))
	left := differing(wanted, there)
	blocked := func(name string) bool { _, found := left[name]; return found }
	if slices.ContainsFunc(unfiltered, blocked) && f.read(below+"/"+vlanFiltering) == "1" {
		if err := f.write(below+"/"+vlanFiltering, "0"); err != nil {
			return err
		}
		left[vlanFiltering] = "1"
		if wish, found := wanted[vlanFiltering]; found {
			left[vlanFiltering] = wish
		}
	}
	for _, name := range names {
		if value, found := left[name]; found {
			if err := f.write(below+"/"+name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// ipv6Switch is the file that switches IPv6 off on an interface (Linux,
// Documentation/networking/ip-sysctl.rst, disable_ipv6).
func ipv6Switch(name string) string {
	return filepath.Join("/proc/sys/net/ipv6/conf", name, "disable_ipv6")
}

func ipv6Off(name string) bool {
	content, err := os.ReadFile(ipv6Switch(name))
	return err == nil && strings.TrimSpace(string(content)) == "1"
}

func switchIPv6(name string, off bool) error {
	if off == ipv6Off(name) {
		return nil
	}
	value := "0"
	if off {
		value = "1"
	}
	return os.WriteFile(ipv6Switch(name), []byte(value), 0)
}
