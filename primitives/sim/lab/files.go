package lab

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ctys/primitives"
	"ctys/primitives/sim"

	"golang.org/x/crypto/ssh/knownhosts"
)

// The files of WriteFiles.
const (
	InventoryFile  = "machines.lua"
	PasswordFile   = "lab.pw" // of every BMC
	SSHConfigFile  = "ssh_config"
	KnownHostsFile = "known_hosts"
)

// WriteFiles writes what a client needs to reach the lab: an inventory, the
// password of the BMCs, and for ssh -F an ssh_config with its known_hosts. The
// key to log in with stays in Options.Dir. Guests are reached through their
// host, as in the field.
func (l *Lab) WriteFiles(dir string) error {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		InventoryFile:  {l.inventory(), 0o644},
		PasswordFile:   {l.password() + "\n", 0o600},
		SSHConfigFile:  {l.sshConfig(filepath.Join(dir, KnownHostsFile)), 0o644},
		KnownHostsFile: {l.knownHosts(), 0o644},
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(file.text), file.mode)
		}
	}
	return primitives.Wrap("lab.files", dir, "the lab's files cannot be written", err)
}

// machines are the descriptions of all machines, which do not change.
func (l *Lab) machines() []sim.Machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.described == nil {
		for _, name := range l.world.Names() {
			m, _ := l.world.Machine(name)
			l.described = append(l.described, m)
		}
	}
	return l.described
}

// account is the user that the inventory names for a BMC: an administrator where
// there is one.
func account(b *sim.BMC) (user, password string) {
	names := slices.Sorted(maps.Keys(b.Users))
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(b.Limits[x], b.Limits[y]) }) // 0 is no limit
	for _, name := range names {
		return name, b.Users[name]
	}
	return "", ""
}

func (l *Lab) password() string {
	for _, m := range l.machines() {
		if m.BMC != nil {
			_, password := account(m.BMC)
			return password
		}
	}
	return ""
}

// inventory is machines.lua: constants, and a loop for machines that are only a
// BMC where there are any.
func (l *Lab) inventory() string {
	var b strings.Builder
	var bare []sim.Machine
	for _, m := range l.machines() {
		if isBare(m) {
			bare = append(bare, m)
			continue
		}
		fmt.Fprintf(&b, "  [%q] = {\n", m.Name)
		for _, field := range l.fields(m) {
			fmt.Fprintf(&b, "    %s,\n", field)
		}
		b.WriteString("  },\n")
	}
	const title = "-- The machines of a simulated lab on loopback.\n"
	if len(bare) == 0 {
		return title + "return {\n" + b.String() + "}\n"
	}
	return title + "local machines = {\n" + b.String() + "}\n" + bmcRows(bare) + "return machines\n"
}

func (l *Lab) fields(m sim.Machine) []string {
	fields := []string{
		fmt.Sprintf("address = %q", m.Address),
		fmt.Sprintf("mac = %q, uuid = %q", m.MAC, m.UUID),
	}
	if m.Parent != "" {
		fields = append(fields, fmt.Sprintf("parent = %q", m.Parent))
	}
	if m.Enterable {
		fields = append(fields, fmt.Sprintf("port = %d, user = %q, identity = %q", portOf(m.SSHPort, 22), userOf(m), l.identity()))
	}
	if offered := l.hypervisors(m); len(offered) > 0 {
		fields = append(fields, "hypervisors = { "+strings.Join(offered, ", ")+" }")
	}
	if m.BMC != nil {
		fields = append(fields, bmcField(m.BMC))
	}
	if m.Parent == "" && m.Broadcast != "" {
		fields = append(fields, fmt.Sprintf("broadcast = %q, broadcast_port = %d", m.Broadcast, l.options.WakePort))
	}
	return fields
}

// hypervisors are the words for what a machine offers and its guests use.
func (l *Lab) hypervisors(host sim.Machine) []string {
	words := slices.Clone(host.Hypervisors)
	for _, m := range l.machines() {
		if m.Parent != host.Name {
			continue
		}
		if m.Hypervisor == "" {
			m.Hypervisor = "kvm"
		}
		words = append(words, m.Hypervisor)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	for i, word := range words {
		words[i] = strconv.Quote(word)
	}
	return words
}

// userOf is who logs in: anybody may where the machine names nobody.
func userOf(m sim.Machine) string {
	if m.SSHUser == "" {
		return "root"
	}
	return m.SSHUser
}

func (l *Lab) identity() string {
	path, err := filepath.Abs(l.path(identityFile))
	if err != nil {
		return l.path(identityFile)
	}
	return path
}

// sshConfig is an ssh_config(5): a guest is reached by way of its host.
func (l *Lab) sshConfig(knownHosts string) string {
	var b strings.Builder
	for _, m := range l.machines() {
		if !m.Enterable {
			continue
		}
		fmt.Fprintf(&b, "Host %s\n    HostName %s\n    Port %d\n    User %s\n", m.Name, m.Address, portOf(m.SSHPort, 22), userOf(m))
		if parent, _ := l.world.Machine(m.Parent); parent.Enterable {
			fmt.Fprintf(&b, "    ProxyJump %s\n", m.Parent)
		}
	}
	fmt.Fprintf(&b, "Host *\n    IdentityFile %q\n    IdentitiesOnly yes\n    UserKnownHostsFile %q\n    StrictHostKeyChecking yes\n", l.identity(), knownHosts)
	return b.String()
}

func (l *Lab) knownHosts() string {
	var b strings.Builder
	for _, m := range l.machines() {
		if m.Enterable {
			address := net.JoinHostPort(m.Address, strconv.Itoa(portOf(m.SSHPort, 22)))
			b.WriteString(knownhosts.Line([]string{address}, l.host.PublicKey()) + "\n")
		}
	}
	return b.String()
}
