//go:build linux

package guard

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/luabind/journal"
)

const stays = "print('so far')\ntask.sleep(600)"

func TestBridgeIsRestoredWhenTheRunIsKilled(t *testing.T) {
	for name, whom := range map[string]int{"the process": 1, "its process group": -1} {
		t.Run(name, func(t *testing.T) {
			seen := network(t)
			before := seen()
			h := hold(t, "600", stays)
			if seen() == before {
				t.Fatal("the bridge was not dissolved")
			}
			if err := syscall.Kill(whom*h.Process.Pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			awaits(t, seen, before)
			h.restored()
		})
	}
}

// restored wants the guard's file marked as done, and a journal of the steps.
func (h *holder) restored() {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); h.file(".done") == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatal("the file of the guard is not marked as done")
		}
	}
	if h.file("") != "" {
		h.t.Error("the file of the guard is there as before")
	}
	journals, err := filepath.Glob(filepath.Join(filepath.Dir(h.file(".done")), "*", journal.FileName))
	if err != nil || len(journals) != 1 {
		h.t.Fatalf("journals of the restoration: %q, %v", journals, err)
	}
	log, err := journal.Read(journals[0])
	if err != nil {
		h.t.Fatal(err)
	}
	if last := log.Entries[len(log.Entries)-1]; last.Kind != journal.End || last.Error != nil {
		h.t.Errorf("the journal ends with %+v", last)
	}
	joined := false
	for _, entry := range log.Entries {
		joined = joined || entry.Kind == journal.Outcome && strings.Contains(entry.Text, "put "+portName+" into "+bridgeName)
	}
	if !joined {
		h.t.Errorf("the port's way back is not in the journal: %+v", log.Entries)
	}
}

func TestBridgeIsRestoredWhenTheTimeIsOver(t *testing.T) {
	seen := network(t)
	before := seen()
	h := hold(t, "3", stays)
	awaits(t, seen, before)
	h.restored()
	if err := syscall.Kill(h.Process.Pid, 0); err != nil {
		t.Error("the run was not alive:", err)
	}
}

func TestBridgeIsRestoredWhenTheScriptFails(t *testing.T) {
	seen := network(t)
	before := seen()
	h := hold(t, "600", "print('so far')\nerror('it goes wrong')")
	awaits(t, seen, before)
	h.restored()
}

func TestDisarmedGuardLeavesTheNetworkAlone(t *testing.T) {
	seen := network(t)
	before := seen()
	h := hold(t, "600", "assert(bridge.unguard() == false)\n"+stays)
	dissolved := seen()
	if dissolved == before {
		t.Fatal("the bridge was not dissolved")
	}
	if file := h.file("*"); file != "" {
		t.Errorf("%s is left", file)
	}
	if left := guards(t, h.state); len(left) > 0 {
		t.Errorf("children are left: %q", left)
	}
	if err := syscall.Kill(h.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait()
	time.Sleep(3 * time.Second) // longer than a guard lets things settle
	if now := seen(); now != dissolved {
		t.Errorf("somebody has changed the network:\n%s\nbefore:\n%s", now, dissolved)
	}
}

func TestGuardThatHasActedIsToldOf(t *testing.T) {
	seen := network(t)
	before := seen()
	hold(t, "2", `
while nic.get("`+portName+`").master ~= "`+bridgeName+`" do task.sleep(0.1) end
task.sleep(1)
assert(bridge.unguard() == true)
`+stays)
	awaits(t, seen, before)
}

// Where the child was killed too, the operator has its command.
func TestRestoreByHand(t *testing.T) {
	seen := network(t)
	before := seen()
	h := hold(t, "600", stays)
	for line := range guards(t, h.state) {
		pid, err := strconv.Atoi(strings.Split(line, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(h.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait()
	file, dissolved := h.file(""), seen()
	calls := func(exit int, says string) {
		t.Helper()
		command := exec.Command(program(t), "agent", "restore", file)
		out, _ := command.CombinedOutput()
		if command.ProcessState.ExitCode() != exit || !strings.Contains(string(out), says) {
			t.Errorf("%v\n%s", command.ProcessState, out)
		}
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	calls(3, "nothing restored")
	if now := seen(); now != dissolved {
		t.Errorf("a file that others may write was followed:\n%s", now)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	calls(0, "put "+portName+" into "+bridgeName)
	if now := seen(); now != before {
		t.Errorf("not restored:\n%s\nbefore:\n%s", now, before)
	}
	calls(0, "restored before")
}

// guards are the command lines of children with files in a folder, by where the
// system shows them.
func guards(t *testing.T, folder string) map[string]string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, line := range lines {
		text, _ := os.ReadFile(line) // of one that has just ended
		words := strings.ReplaceAll(string(text), "\x00", " ")
		if strings.Contains(words, "agent guard "+folder) {
			found[line] = words
		}
	}
	return found
}
