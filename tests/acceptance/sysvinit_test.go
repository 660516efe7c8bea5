//go:build linux

package acceptance

import (
	"testing"
	"time"

	"ctys/tests/machine"
)

// TestASystemWithoutSystemd takes a real machine down whose init is sysvinit, by
// its own tools: there is no logind that says that it was accepted.
func TestASystemWithoutSystemd(t *testing.T) {
	t.Parallel()
	r := &room{machine.Start(t, machine.Options{Name: "lab01", System: machine.SysVInit})}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *room)
	}{
		{"an account that may not", accountThatNeedsRoot},
		{"suspend is not to be had", withoutSleep},
		{"Ctrl-C while it is announced", calledOff},
		{"run level", sysvRunLevel},
		{"reboot", sysvReboot},
		{"power off", powerOff},
		{"run level 0", sysvLevelZero},
		{"power off at once", sysvForce},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !r.Running() {
				r.PowerOn(t)
			}
			test.run(t, r)
		})
	}
}

// TestASystemWithOpenRC is the same with OpenRC's services, as Debian has them.
func TestASystemWithOpenRC(t *testing.T) {
	t.Parallel()
	r := &room{machine.Start(t, machine.Options{Name: "lab01", System: machine.OpenRC})}
	t.Run("reboot", func(t *testing.T) { sysvReboot(t, r) })
	t.Run("power off", func(t *testing.T) { powerOff(t, r) })
}

func accountThatNeedsRoot(t *testing.T, r *room) {
	o := newOperator(t, r.Desk.Command)
	trusted(t, o, &r.Access)
	o.has(t, "machines.lua", inventory(&r.Access, "operator", r.Identity))
	r.untouched(t, func() {
		end := o.calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0", r.Name)
		end.exits(t, 3)
		end.tells(t, "operator", "needs root here", "shutdown -h -P now")
	})
}

func withoutSleep(t *testing.T, r *room) {
	r.untouched(t, func() {
		end := r.operator(t).calls(t, "-t", "pm", "-a", "cancel=self,suspend", r.Name)
		end.exits(t, 3)
		end.tells(t, "cannot hibernate")
	})
}

func sysvRunLevel(t *testing.T, r *room) {
	for _, level := range []string{"3", "2"} {
		end := r.operator(t).calls(t, "-t", "pm", "-a", "cancel=self,init:"+level+",timeout:0", "--yes", r.Name)
		end.exits(t, 0)
		end.tells(t, "lab01 is in run level "+level)
	}
}

func sysvReboot(t *testing.T, r *room) {
	boots := r.Boots()
	end := r.operator(t).calls(t, "-t", "pm", "-a", "cancel=self,reboot,timeout:1", r.Name)
	end.exits(t, 0)
	end.tells(t, "lab01 has rebooted and is up")
	r.WaitBoot(t, boots+1, 20*time.Second)
}

func sysvLevelZero(t *testing.T, r *room) {
	sysvGoes(t, r, "self,init:0,timeout:1")
}

func sysvForce(t *testing.T, r *room) {
	sysvGoes(t, r, "self,force,poweroff")
}

// sysvGoes expects that the machine goes down, which nobody but itself can see.
func sysvGoes(t *testing.T, r *room, subopts string) {
	t.Helper()
	c := r.operator(t).starts(t, "-t", "pm", "-a", "cancel="+subopts, r.Name)
	r.WaitOff(t, 30*time.Second)
	end := c.end()
	end.exits(t, 0)
	if !wentDown.MatchString(end.stdout) {
		t.Errorf("not worded as %s:\n%s", wentDown, end)
	}
	end.tellsNot(t, r.Name+" is off")
}
