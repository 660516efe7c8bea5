package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// machineKeysHelp is what spec.machine reads.
const machineKeysHelp = "on (true), boot (10) and shutdown (5) in seconds, guests, hypervisor (\"kvm\", \"qemu\", \"lxc\", \"xen\", \"vbox\", \"vmw\"), login " +
	"(an SSH server, and ctys can run there: a machine's and that of a guest with guests), agent (a guest agent), bmc, wol (its card is armed), " +
	"hangs (its shutdown never ends), deaf (does not react to its power button), autostart, transient, managed_by, row (further keys of its row in the inventory)"

// spec reads one machine of sim.world; the first fault stays.
type spec struct {
	name   string
	fields map[string]any
	known  map[string]bool
	err    error
}

const (
	defaultBoot     = 10
	defaultShutdown = 5
)

func (s *spec) machine(parent string) sim.Machine {
	carries := len(s.table("guests")) > 0
	machine := sim.Machine{
		Name: s.name, Parent: parent,
		Hypervisor: s.oneOf("hypervisor", "kvm", "qemu", "lxc", "xen", "vbox", "vmw"),
		Boot:       s.seconds("boot", defaultBoot), Shutdown: s.seconds("shutdown", defaultShutdown),
		Enterable: s.yes("login", parent == "" || carries), Agent: s.yes("agent", false),
		WakesOnLAN: s.yes("wol", false), HangsInShutdown: s.yes("hangs", false), IgnoresACPI: s.yes("deaf", false),
		Autostart: s.yes("autostart", false), Transient: s.yes("transient", false), ClusterManaged: s.text("managed_by"),
	}
	machine.Power = primitives.PowerOff
	if s.yes("on", true) {
		machine.Power = primitives.PowerOn
	}
	if s.yes("bmc", false) {
		machine.BMC = &sim.BMC{Host: s.name + "-bmc", Users: map[string]string{bmcUser: ""}}
	}
	return machine
}

// bmcUser has no password: there is nothing to protect.
const bmcUser = "admin"

func (s *spec) get(key string) any {
	s.known[key] = true
	return s.fields[key]
}

func (s *spec) yes(key string, otherwise bool) bool {
	switch value := s.get(key).(type) {
	case nil:
		return otherwise
	case bool:
		return value
	default:
		s.wrong(key, value, "true or false")
		return false
	}
}

func (s *spec) text(key string) string {
	switch value := s.get(key).(type) {
	case nil:
		return ""
	case string:
		return value
	default:
		s.wrong(key, value, "a text")
		return ""
	}
}

func (s *spec) oneOf(key string, words ...string) string {
	text := s.text(key)
	if text != "" && !slices.Contains(words, text) {
		s.wrong(key, text, strings.Join(words, ", "))
	}
	return text
}

// maxSeconds is a week: what takes longer is a slip.
const maxSeconds = 7 * 24 * 3600

func (s *spec) seconds(key string, otherwise float64) time.Duration {
	number := otherwise
	switch value := s.get(key).(type) {
	case nil:
	case float64:
		number = value
	default:
		s.wrong(key, value, "a number of seconds")
	}
	if number < 0 || number > maxSeconds {
		s.wrong(key, number, fmt.Sprintf("seconds from 0 to %d", maxSeconds))
	}
	return time.Duration(number * float64(time.Second))
}

func (s *spec) table(key string) map[string]any {
	switch value := s.get(key).(type) {
	case nil:
		return nil
	case map[string]any:
		return value
	default:
		s.wrong(key, value, "a table with names as keys")
		return nil
	}
}

func (s *spec) wrong(key string, value any, accepted string) {
	if s.err == nil {
		s.err = invalid("%s: %s is %v; accepted: %s", s.name, key, value, accepted)
	}
}

// fault is the first thing that is wrong, an unknown key among them.
func (s *spec) fault() error {
	for _, key := range sortedKeys(s.fields) {
		if !s.known[key] && s.err == nil {
			s.err = invalid("%s: unknown key %q; accepted: %v", s.name, key, sortedKeys(s.known))
		}
	}
	return s.err
}

func sortedKeys[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }
