package policy

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// What the table of methods has to say something about: every method, for every
// TYPE, alone, with FORCE, with SELF, and with both.
var (
	methodTypes = []string{"pm", "kvm", "qemu", "lxc", "xen", "vbox", "vmw", "vm"}
	methodWords = []string{"poweroff:0", "s5", "reboot", "reset", "init:0", "init:1", "init:2", "init:3", "init:4", "init:5", "init:6", "pause", "s3", "suspend", "s4"}
	methodReach = []string{"", "force", "self", "self,force"}
)

// hypervisorsOf are those of a host for a TYPE: what carries guests of it, and
// for those that mean several, two of them.
func hypervisorsOf(kind string) []string {
	switch kind {
	case "pm", "vm":
		return []string{"kvm", "vbox"}
	}
	return []string{kind}
}

// methodWorld is host with guests a and b of the type, both running, and away,
// which is off; where the request leaves the host on also other, of another
// type, which runs.
func methodWorld(t *testing.T, kind string, self bool) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(11, clock)
		w.Add(sim.Machine{Name: "host", Address: "10.3.0.1", Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 3 * time.Second,
			Enterable: true, WakesOnLAN: true, BMC: &sim.BMC{Host: "10.3.1.1", Port: 623, Users: map[string]string{"admin": "secret"}}})
		of := hypervisorsOf(kind)
		guest := func(n int, name, hypervisor string, power primitives.Power) {
			w.Add(sim.Machine{Name: name, Parent: "host", Hypervisor: hypervisor, Address: fmt.Sprint("10.3.0.", n), Power: power,
				Boot: 2 * time.Second, Shutdown: time.Second, Enterable: true, Transient: hypervisor == "vmw", Agent: hypervisor == "vmw"})
		}
		guest(2, "a", of[0], primitives.PowerOn)
		guest(3, "b", of[len(of)-1], primitives.PowerOn)
		guest(4, "away", of[0], primitives.PowerOff)
		if !self && kind != "pm" && kind != "vm" {
			guest(5, "other", map[bool]string{true: "lxc", false: "kvm"}[kind != "lxc"], primitives.PowerOn)
		}
		return w
	})
}

// became is what happened to a machine, in the words of the table.
func (s *scene) became(name string, boots int) string {
	now := s.world.State(name)
	rebooted := now.Boots != boots
	switch {
	case now.Phase == sim.Up && !rebooted && now.Level > 0:
		return fmt.Sprint("level", now.Level)
	case now.Power == primitives.PowerOn && rebooted && (now.Phase == sim.Up || now.Phase == sim.Booting):
		return "rebooted"
	}
	return string(now.Phase)
}

// cell carries one request out and gives what the table has of it: what became
// of the guests, of the host, and the exit code; or that it was refused.
func cell(t *testing.T, kind, method, reach string) string {
	t.Helper()
	self := strings.Contains(reach, "self")
	s := methodWorld(t, kind, self)
	boots := map[string]int{}
	for _, name := range s.world.Names() {
		boots[name] = s.world.State(name).Boots
	}
	words := []string{method}
	if reach != "" {
		words = append(words, reach)
	}
	if kind != "pm" {
		words = append(words, "all")
	}
	exit, err := s.form(kind, "cancel", strings.Join(words, ","), "host")
	if err != nil {
		exit = 2
	}
	a, b, host := s.became("a", boots["a"]), s.became("b", boots["b"]), s.became("host", boots["host"])
	if away := s.became("away", boots["away"]); away != "off" {
		t.Errorf("a guest that was off is %s\n%s", away, s.story())
	}
	if _, there := boots["other"]; there && s.became("other", boots["other"]) != "up" {
		t.Errorf("a guest of another type is %s\n%s", s.became("other", boots["other"]), s.story())
	}
	if lost := s.world.Lost(); len(lost) > 0 {
		t.Errorf("the host took along %v\n%s", lost, s.story())
	}
	if exit >= 2 {
		if a+b+host != "upupup" {
			t.Errorf("exit %d, and something has changed: %s, %s, %s\n%s", exit, a, b, host, s.story())
		}
		return fmt.Sprint("refused ", exit)
	}
	if a != b {
		a += "," + b
	}
	return fmt.Sprintf("%s/%s %d", a, host, exit)
}

// methodTable reads testdata/methods.txt: by TYPE and method the cells.
func methodTable(t *testing.T) map[string][]string {
	file, err := os.Open("testdata/methods.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table := map[string][]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		cells := strings.Split(line, "|")
		if len(cells) < 2 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		types, methods, _ := strings.Cut(cells[0], " ")
		for _, kind := range strings.Split(types, ",") {
			for _, method := range strings.Fields(methods) {
				key := kind + " " + method
				if table[key] != nil {
					t.Errorf("%s stands there twice", key)
				}
				table[key] = cells[1:]
			}
		}
	}
	return table
}

// Every method, level by level: what becomes of the guests and of the machine.
func TestEveryCellOfTheTableOfMethods(t *testing.T) {
	table := methodTable(t)
	if noXen := cell(t, "xen", "poweroff:0", ""); noXen == "refused 2" { // until -t xen is carried out
		for _, method := range methodWords {
			table["xen "+method] = []string{noXen, noXen, noXen, noXen}
		}
	}
	for _, kind := range methodTypes {
		for _, method := range methodWords {
			t.Run(kind+" "+method, func(t *testing.T) {
				want := table[kind+" "+method]
				if len(want) != len(methodReach) || slices.Contains(want, "") {
					t.Fatalf("the table has %d cells, want %d: %q", len(want), len(methodReach), want)
				}
				for i, reach := range methodReach {
					if got := cell(t, kind, method, reach); got != want[i] {
						t.Errorf("%s with %q: %s, want %s", method, reach, got, want[i])
					}
				}
			})
		}
	}
	if rows := len(methodTypes) * len(methodWords); len(table) != rows {
		t.Errorf("the table has %d rows, want %d: one of a method or type that is not tried", len(table), rows)
	}
}
