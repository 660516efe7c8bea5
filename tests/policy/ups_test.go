package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// atUPS is a scene that has docs/ups.lua among its own scripts.
func atUPS(t *testing.T, s *scene) *scene {
	t.Helper()
	text, err := os.ReadFile("../../docs/ups.lua")
	if err != nil {
		t.Fatal(err)
	}
	s.overrides = map[string]string{"ups.lua": string(text)}
	return s
}

// Exit 0 means that the mains may be cut: silence, which CANCEL takes for its goal,
// is not enough, nor is a guest that kept its host up.
func TestOnlyWhatWasSeenOffIsSafeToCut(t *testing.T) {
	for _, test := range []struct {
		name, target string
		scene        func() *scene
		exit         int
		says         string
	}{
		{"its BMC has seen it", "lab01", func() *scene { return rack(t) }, 0, "by the word of its bmc"},
		{"its hypervisor has seen it", "db1", func() *scene { return stacked(t) }, 0, "by the word of its hypervisor"},
		{"it was off", "lab02", func() *scene { return rack(t) }, 0, "is off already"},
		{"it fell silent", "host01", func() *scene { return stacked(t) }, 1, "not safe to cut the mains: nobody has seen host01 off"},
		{"a guest hangs", "lab01", func() *scene {
			s := rack(t)
			s.world.HangInShutdown("web1", true)
			return s
		}, 1, "web1"},
		{"its BMC is gone", "lab01", func() *scene {
			s := rack(t)
			s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi"})
			return s
		}, 1, "lab01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := atUPS(t, test.scene())
			exit, err := s.form("pm", "ups", "self,poweroff:0", test.target)
			if err != nil || exit != test.exit {
				t.Errorf("exit %d, %v, want %d\n%s", exit, err, test.exit, s.story())
			}
			s.told(test.says)
		})
	}
	silent := stacked(t)
	silent.exits(silent.cancel("pm", "self,poweroff:0", "host01"), 0)
	atUPS(t, stacked(t)).refused("pm", "ups", "poweroff:0", primitives.Invalid, "SELF")
}

// The host with the UPS goes last, whatever became of the others, and the UPS cuts
// its outlets only where all of them were seen off.
func TestTheUPSCutsOnlyWhatIsSafe(t *testing.T) {
	for exit, kept := range map[string]bool{"0": true, "1": false, "3": false, "130": false} {
		folder := t.TempDir()
		put := func(name, text string) {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		put("ctys", "#!/bin/sh\necho ctys $* >>"+folder+"/log\nexit "+exit+"\n")
		put("systemctl", "#!/bin/sh\necho systemctl $* >>"+folder+"/log\n")
		put("logger", "#!/bin/sh\n")
		put("killpower", "")
		cmd := exec.Command("sh", "../../docs/ctys-ups-shutdown", "lab01", "lab02")
		cmd.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "POWERDOWNFLAG="+folder+"/killpower")
		err := cmd.Run()
		if (err == nil) != kept {
			t.Errorf("exit %s of ctys: %v", exit, err)
		}
		if _, err := os.Stat(folder + "/killpower"); (err == nil) != kept {
			t.Errorf("exit %s of ctys: the flag: %v", exit, err)
		}
		log, err := os.ReadFile(folder + "/log")
		if lines := strings.Split(strings.TrimSpace(string(log)), "\n"); err != nil || len(lines) != 2 ||
			lines[0] != "ctys -t pm -a ups=self,poweroff:0 --yes --deadline 10m lab01 lab02" || lines[1] != "systemctl poweroff" {
			t.Errorf("exit %s of ctys: %s, %v", exit, log, err)
		}
	}
}
