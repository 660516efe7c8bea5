package bridge

import (
	"path"
	"slices"
	"strings"
)

// ifupdown is recognised by interfaces(5) and by what it has brought up. It acts
// only when it is called.
func ifupdown(system files, bridge Snapshot) Manager {
	found := Manager{Name: "ifupdown"}
	reading := &interfaces{system: system, bridge: bridge}
	reading.file("/etc/network/interfaces", 0)
	found.Seen = reading.named
	const state = "/run/network/ifstate"
	for line := range strings.Lines(system.read(state)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), "="); bridge.has(name) {
			found.Seen = append(found.Seen, state+": "+name+" is up")
		}
	}
	found.Advice = "it acts only when it is called: do not call ifup or ifdown for the bridge or its ports before they are restored"
	return found
}

// interfaces reads /etc/network/interfaces and what it includes.
type interfaces struct {
	system files
	bridge Snapshot
	read   []string
	named  []string // the files that name the bridge or a port
}

// deepest bounds files that include each other.
const deepest = 8

func (i *interfaces) file(name string, depth int) {
	if depth > deepest || slices.Contains(i.read, name) {
		return
	}
	i.read = append(i.read, name)
	named := false
	for line := range strings.Lines(i.system.read(name)) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch words[0] {
		case "iface", "auto":
			named = named || slices.ContainsFunc(words[1:], i.bridge.has)
		case "bridge_ports", "bridge-ports":
			named = named || slices.ContainsFunc(words[1:], i.bridge.matches)
		case "source":
			i.included(words[1], depth)
		case "source-directory":
			i.included(path.Join(words[1], "*"), depth)
		default:
			named = named || strings.HasPrefix(words[0], "allow-") && slices.ContainsFunc(words[1:], i.bridge.has)
		}
	}
	if named {
		i.named = append(i.named, name)
	}
}

// included reads further files; a relative name is below /etc/network.
func (i *interfaces) included(pattern string, depth int) {
	if !path.IsAbs(pattern) {
		pattern = path.Join("/etc/network", pattern)
	}
	for _, name := range i.system.list(pattern) {
		i.file(name, depth+1)
	}
}
