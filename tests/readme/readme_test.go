// Package readme runs every command of the README, on the lab.
package readme

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/luabind/inventory"
	"ctys/luabind/simulated"
)

// block is one fenced piece of the README.
type block struct {
	language, text string
}

func blocks(t *testing.T) []block {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	var open *block
	for _, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{language: fence}
		case isFence:
			list = append(list, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return list
}

// reader is a newcomer in an empty home, with the lab's rack as machines.
type reader struct {
	t    *testing.T
	rack *simulated.Rack
	home string // of the newcomer
	env  []string
}

func newReader(t *testing.T) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	home := t.TempDir()
	lab := filepath.Join(home, "lab")
	rack, err := simulated.Lab(ctx, simulated.LabOptions{Dir: lab, Version: "readme", Network: "127.94"})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); rack.Wait() })
	r := &reader{t: t, rack: rack, home: home, env: append(os.Environ(),
		"HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_STATE_HOME="+home+"/.state", "XDG_CACHE_HOME="+home+"/.cache",
		"CTYS_INVENTORY="+lab+"/machines.lua", "CTYS_SSH_CONFIG="+lab+"/ssh_config", "CTYS_PATH=", "SSH_AUTH_SOCK=", "PATH="+home+"/bin:"+os.Getenv("PATH"))}
	r.build()
	return r
}

func (r *reader) build() {
	r.t.Helper()
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.version=readme", "-o", r.home+"/bin/ctys", "ctys/cmd/ctys")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
}

func (r *reader) file(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// rested brings the rack back to how the README finds it: lab01 up with what
// starts by itself on it, lab02 off.
func (r *reader) rested() {
	r.t.Helper()
	for _, command := range []string{"on lab01", "off lab02"} {
		if _, err := simulated.LabCommand(context.Background(), r.rack.Control(), command); err != nil {
			r.t.Fatalf("%s: %v", command, err)
		}
	}
	for range 200 {
		state, _ := simulated.LabCommand(context.Background(), r.rack.Control(), "state")
		up := 0
		for _, name := range []string{"lab01", "web1", "ct1", "db1"} {
			up += strings.Count(state, name+" up")
		}
		if up == 4 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.t.Fatal("lab01 and its guests do not come up")
}

// types runs a command and gives what it says.
func (r *reader) types(line string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Dir, command.Env = r.home, r.env
	out, err := command.CombinedOutput()
	if err != nil {
		r.t.Errorf("$ %s\n%s%v", line, out, err)
	}
	return string(out)
}

func TestEveryCommandOfTheReadme(t *testing.T) {
	r := newReader(t)
	commands, policy, planned := 0, false, false
	for _, b := range blocks(t) {
		switch {
		case b.language == "console":
			for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
				typed, isCommand := strings.CutPrefix(line, "$ ")
				if !isCommand {
					t.Errorf("no command: %q", line)
				}
				r.rested()
				said := r.types(typed)
				commands++
				if policy && strings.Contains(typed, "--plan") {
					planned = true
					r.followsThePolicy(said)
				}
			}
		case strings.Contains(b.text, `require "stock.cancel"`):
			r.file(".config/ctys/cancel.lua", b.text)
			policy = true
		case b.language == "lua":
			if _, err := inventory.Parse("README.md", []byte(b.text)); err != nil {
				t.Error(err)
			}
		}
	}
	if commands < 8 {
		t.Errorf("only %d commands were found", commands)
	}
	if !planned {
		t.Error("the policy was written and no plan shows what it changes")
	}
}

// followsThePolicy looks for what the reader's function decides, in a plan: a
// data base stays, everything else is cut off at its deadline.
func (r *reader) followsThePolicy(plan string) {
	r.t.Helper()
	for guest, want := range map[string]string{"web1": ": destroy", "db1": ": leave it running"} {
		_, below, _ := strings.Cut(plan, guest+" (at most ")
		lines := strings.SplitN(below, "\n", 3)
		if len(lines) < 2 || !strings.Contains(lines[1], want) {
			r.t.Errorf("%s: no %q in\n%s", guest, want, plan)
		}
	}
}
