//go:build linux

package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ctys/tests/machine"
)

// room is one machine with systemd and an OpenSSH server, seen from a desk.
type room struct {
	*machine.Machine
}

// operator is one at the desk who knows the machine's key and may log in as
// root.
func (r *room) operator(t testing.TB) *operator {
	t.Helper()
	return operatorOf(t, &r.Access)
}

// boot is which boot the machine is in, by its own kernel.
func (r *room) boot(t testing.TB) string {
	t.Helper()
	return r.Run(t, "cat /proc/sys/kernel/random/boot_id")
}

// untouched runs work and expects that the machine is up as before and that
// nobody on it was told anything.
func (r *room) untouched(t *testing.T, work func()) {
	t.Helper()
	boot, wall := r.boot(t), r.WatchWall(t)
	work()
	if !r.Running() || r.boot(t) != boot {
		t.Error("the machine is not in the boot that it was in")
	}
	select {
	case line := <-wall:
		t.Errorf("its users were told: %s", line)
	case <-time.After(300 * time.Millisecond):
	}
}

// agents counts the processes of ctys on the machine.
func (r *room) agents(t testing.TB) string {
	t.Helper()
	return r.Run(t, "pgrep -fc 'ctys[^ ]* agent' || true")
}

// hears waits for words on a terminal of the machine.
func hears(t testing.TB, wall <-chan string, words string, limit time.Duration) {
	t.Helper()
	late := time.After(limit)
	var heard []string
	for {
		select {
		case line, open := <-wall:
			if !open {
				t.Fatalf("the terminal closed, and %q was not on it: %q", words, heard)
			}
			if heard = append(heard, line); strings.Contains(line, words) {
				return
			}
		case <-late:
			t.Fatalf("%q was not written on the terminal within %v: %q", words, limit, heard)
		}
	}
}

// ownJournal is what the last job on the machine has kept there, on its disk.
func (r *room) ownJournal(t testing.TB) []entry {
	t.Helper()
	files := journals(t, r.Path("/root"))
	if len(files) == 0 {
		t.Fatal("no job has kept a journal on the machine")
	}
	return readJournal(t, files[len(files)-1])
}

// TestThereNotHere takes a real machine down over a real OpenSSH server.
func TestThereNotHere(t *testing.T) {
	t.Parallel()
	r := &room{machine.Start(t, machine.Options{Name: "lab01"})}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *room)
	}{
		{"unknown host key", unknownHostKey},
		{"wrong key", wrongKey},
		{"an account that may not", accountThatMayNot},
		{"a plan", planOfSelf},
		{"without SELF it stays up", withoutSelf},
		{"SELF without a target", selfWithoutTarget},
		{"shutdown by eval", shutdownByEval},
		{"block inhibitor", blockInhibitor},
		{"Ctrl-C while it is announced", calledOff},
		{"power off", powerOff},
		{"line cut and found again", lineFoundAgain},
		{"line cut for good", lineCutForGood},
		{"reboot", rebootSelf},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !r.Running() {
				r.PowerOn(t)
			}
			test.run(t, r)
		})
	}
}

func unknownHostKey(t *testing.T, r *room) {
	o := newOperator(t, r.Desk.Command)
	o.has(t, "machines.lua", inventory(&r.Access, "root", r.Identity))
	r.untouched(t, func() {
		end := o.calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0", r.Name)
		end.exits(t, 3)
		end.tells(t, r.Name, "--accept-new-host-key")
	})
	if found := r.Run(t, "ls -A /root/.cache /root/.local 2>/dev/null || true"); found != "" {
		t.Errorf("something was put on the machine: %s", found)
	}
	if _, err := os.Stat(filepath.Join(o.home, ".ssh/known_hosts")); err == nil {
		t.Error("the key was taken without a word")
	}

	end := o.calls(t, "--accept-new-host-key", "-t", "pm", "-a", "cancel=poweroff:0", r.Name)
	end.exits(t, 0)
	known, err := os.ReadFile(filepath.Join(o.home, ".ssh/known_hosts"))
	if err != nil || !strings.Contains(string(known), "ssh-ed25519") {
		t.Errorf("known_hosts: %s, %v", known, err)
	}
}

func wrongKey(t *testing.T, r *room) {
	o := newOperator(t, r.Desk.Command)
	trusted(t, o, &r.Access)
	other := filepath.Join(o.home, "other")
	makeKey(t, other)
	o.has(t, "machines.lua", inventory(&r.Access, "root", other))
	r.untouched(t, func() {
		end := o.calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0", r.Name)
		end.exits(t, 3)
		end.tells(t, r.Name, "root")
	})
}

func accountThatMayNot(t *testing.T, r *room) {
	o := newOperator(t, r.Desk.Command)
	trusted(t, o, &r.Access)
	o.has(t, "machines.lua", inventory(&r.Access, "operator", r.Identity))
	r.untouched(t, func() {
		end := o.calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0", r.Name)
		end.exits(t, 3)
		end.tells(t, "operator", "org.freedesktop.login1.power-off")
	})
}

func planOfSelf(t *testing.T, r *room) {
	o := r.operator(t)
	r.untouched(t, func() {
		end := o.calls(t, "-t", "pm", "-a", "cancel=self,poweroff:7", "--plan", r.Name)
		end.exits(t, 0)
		end.tells(t, "shutdown.announce", "shutdown.apply", "7 s")
	})
	if found := journals(t, o.home); len(found) > 0 {
		t.Errorf("a plan has written %v", found)
	}
}

func withoutSelf(t *testing.T, r *room) {
	o := r.operator(t)
	r.untouched(t, func() {
		end := o.calls(t, "-t", "pm", "-a", "cancel=poweroff:0", r.Name)
		end.exits(t, 0)
		end.tells(t, "nothing was running on "+r.Name)
	})
	if left := r.agents(t); left != "0" {
		t.Errorf("%s agents are left on the machine", left)
	}
}

func selfWithoutTarget(t *testing.T, r *room) {
	end := r.operator(t).calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0")
	end.exits(t, 2)
	end.tells(t, "SELF")
}

func shutdownByEval(t *testing.T, r *room) {
	r.untouched(t, func() {
		end := r.operator(t).calls(t, "eval", `shutdown.apply{machine = "`+r.Name+`", method = "poweroff"}`)
		if end.exit == 0 {
			t.Errorf("exit code 0\n%s", end)
		}
		end.tells(t, "SELF")
	})
}

func blockInhibitor(t *testing.T, r *room) {
	r.Run(t, "systemd-run --quiet --unit=tape systemd-inhibit --what=shutdown --mode=block --who=backup --why=tape sleep 1000")
	defer r.Run(t, "systemctl stop tape")
	for limit := time.Now().Add(10 * time.Second); !strings.Contains(r.Run(t, "systemd-inhibit --list"), "backup"); {
		if time.Now().After(limit) {
			t.Fatal("the inhibitor is not held")
		}
	}
	r.untouched(t, func() {
		end := r.operator(t).calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0", r.Name)
		end.exits(t, 3)
		end.tells(t, "backup", "tape", "systemd-inhibit")
	})
}

func calledOff(t *testing.T, r *room) {
	boot, wall := r.boot(t), r.WatchWall(t)
	c := r.operator(t).starts(t, "-t", "pm", "-a", "cancel=self,poweroff:60", r.Name)
	hears(t, wall, "POWEROFF of "+r.Name+" in 60 s", 30*time.Second)
	c.interrupt()
	hears(t, wall, "called off", 10*time.Second)
	end := c.end()
	end.exits(t, 130)
	end.tells(t, "interrupted")
	if r.boot(t) != boot {
		t.Error("the machine is not in the boot that it was in")
	}
	for limit := time.Now().Add(5 * time.Second); r.agents(t) != "0"; {
		if time.Now().After(limit) {
			t.Fatal("an agent is left on the machine")
		}
	}
	if got := about(r.ownJournal(t), "intent", "shutdown.apply", ""); len(got) > 0 {
		t.Errorf("the machine's journal: %+v", got)
	}
}

// wentDown is how the end of a machine is worded that nobody else can see.
var wentDown = regexp.MustCompile(`lab01 went down at \d\d:\d\d:\d\d.*, unreachable since \d\d:\d\d:\d\d.*, not seen off`)

func powerOff(t *testing.T, r *room) {
	wall := r.WatchWall(t)
	o := r.operator(t)
	c := o.starts(t, "-t", "pm", "-a", "cancel=self,poweroff:2", r.Name)
	hears(t, wall, "POWEROFF of "+r.Name+" in 2 s", 30*time.Second)
	r.WaitOff(t, 30*time.Second)
	end := c.end()
	end.exits(t, 0)
	if !wentDown.MatchString(end.stdout) {
		t.Errorf("not worded as %s:\n%s", wentDown, end)
	}
	end.tellsNot(t, r.Name+" is off")
	for where, entries := range map[string][]entry{"desk": o.lastJournal(t), r.Name: r.ownJournal(t)} {
		intents, outcomes := about(entries, "intent", "shutdown.apply", ""), about(entries, "outcome", "shutdown.apply", "")
		if len(intents) != 1 || len(outcomes) != 1 || outcomes[0].Error != nil {
			t.Errorf("journal of %s: intents %+v, outcomes %+v", where, intents, outcomes)
		}
	}
}

// lineFoundAgain ends the SSH session's server process while the delay runs:
// the desk comes back, hears what it has missed, and the end is seen.
func lineFoundAgain(t *testing.T, r *room) {
	wall := r.WatchWall(t)
	c := r.operator(t).starts(t, "-t", "pm", "-a", "cancel=self,poweroff:6", r.Name)
	hears(t, wall, "POWEROFF of "+r.Name, 30*time.Second)
	r.Run(t, "kill $(ps -o ppid= -p $(pgrep -f 'ctys[^ ]* agent start'))")
	r.WaitOff(t, 40*time.Second)
	end := c.end()
	end.exits(t, 0)
	if !wentDown.MatchString(end.stdout) {
		t.Errorf("not worded as %s:\n%s", wentDown, end)
	}
}

// lineCutForGood pulls the cable while the delay runs: the machine goes down
// as announced, and the desk has no record of it.
func lineCutForGood(t *testing.T, r *room) {
	wall := r.WatchWall(t)
	c := r.operator(t).starts(t, "-t", "pm", "-a", "cancel=self,poweroff:3", r.Name)
	hears(t, wall, "POWEROFF of "+r.Name, 30*time.Second)
	r.SetLink(t, false)
	r.WaitOff(t, 40*time.Second)
	end := c.end()
	end.exits(t, 1)
	end.tells(t, r.Name)
	end.tellsNot(t, "lab01 is off", "went down at")
	if got := about(r.ownJournal(t), "outcome", "shutdown.apply", ""); len(got) != 1 || got[0].Error != nil {
		t.Errorf("the machine's own journal: %+v", got)
	}
}

func rebootSelf(t *testing.T, r *room) {
	boot, boots := r.boot(t), r.Boots()
	end := r.operator(t).calls(t, "-t", "pm", "-a", "cancel=self,reboot,timeout:1", r.Name)
	end.exits(t, 0)
	end.tells(t, "has rebooted and is up")
	if r.Boots() != boots+1 || r.boot(t) == boot {
		t.Errorf("boots: %d, before %d", r.Boots(), boots)
	}
}
