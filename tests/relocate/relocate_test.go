package relocate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
)

const version = "9.9-test"

var built struct {
	sync.Once
	dir string
	err error
}

// program builds the agent that a desk uploads, once.
func program(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "ctys-relocate-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", filepath.Join(built.dir, "ctys"), "./testdata/ctys")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = err
			t.Logf("%s", out)
		}
	})
	must(t, built.err)
	return filepath.Join(built.dir, "ctys")
}

func TestMain(m *testing.M) {
	status := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(status)
}

type desk struct {
	*agent.Desk
	asked int // how often our own program was opened
}

func newDesk(t *testing.T, m *machine, rows string) *desk {
	t.Helper()
	d := &desk{}
	own := program(t)
	d.Desk = agent.NewDesk(agent.DeskOptions{
		Remote: m.client(), Inventory: newInventory(t, rows), Version: version,
		Executable: func() (io.ReadCloser, int64, string, error) {
			d.asked++
			text, err := os.ReadFile(own)
			sum := sha256.Sum256(text)
			return io.NopCloser(strings.NewReader(string(text))), int64(len(text)), hex.EncodeToString(sum[:]), err
		},
	})
	t.Cleanup(func() { d.Close() })
	return d
}

func newInventory(t *testing.T, rows string) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Parse(filepath.Join(t.TempDir(), "machines.lua"), []byte("return {\n"+rows+"}"))
	must(t, err)
	return inv
}

func order(script string) luabind.Order {
	return luabind.Order{
		Machine: luabind.Machine{Name: "lab01"}, Script: "job", Function: "here", Request: map[string]any{},
		Modules:   map[string]string{"job.lua": "local M = {}\n" + script + "\nreturn M\n"},
		Authority: luabind.Everything, Settings: inventory.DefaultSite().Values(),
	}
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestProgramIsUploadedOnce(t *testing.T) {
	m := newMachine(t)
	d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`))
	value, err := d.Run(patience(t), order(`function M.here() return action.here() end`), func(luabind.Event) {})
	if err != nil || value != "lab01" {
		t.Fatal(value, err)
	}
	found, _ := filepath.Glob(filepath.Join(m.cache, "ctys", "ctys-*"))
	if len(found) != 1 || d.asked != 1 {
		t.Fatalf("found %v, our program was opened %d times", found, d.asked)
	}
	before, err := os.Stat(found[0])
	must(t, err)
	if _, err := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`)).Run(patience(t), order(`function M.here() end`), func(luabind.Event) {}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(found[0])
	must(t, err)
	if !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Error("the second desk uploaded it again")
	}
}

// equip puts the program where an administrator would.
func (m *machine) equip() {
	m.t.Helper()
	must(m.t, os.Symlink(program(m.t), filepath.Join(m.path, "ctys")))
}

func TestInstalledProgramIsUsed(t *testing.T) {
	m := newMachine(t)
	m.equip()
	d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`))
	if _, err := d.Run(patience(t), order(`function M.here() end`), func(luabind.Event) {}); err != nil || d.asked != 0 {
		t.Fatal(err, d.asked)
	}
}

func TestProgramOfAnotherVersionIsNotUsed(t *testing.T) {
	m := newMachine(t)
	for _, script := range []string{
		`echo '{"hello":{"version":"0.1"}}'; cat >/dev/null`,
		`echo 'usage: ctys …' >&2; exit 2`,
		`echo 'welcome to this machine'; exec sleep 5`,
	} {
		must(t, os.WriteFile(filepath.Join(m.path, "ctys"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
		d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`))
		if _, err := d.Run(patience(t), order(`function M.here() end`), func(luabind.Event) {}); err != nil || d.asked != 1 {
			t.Fatal(script, err, d.asked)
		}
	}
}

// The line is killed in the middle: the job goes on, and the desk comes back.
func TestJobSurvivesItsLine(t *testing.T) {
	m := newMachine(t)
	m.equip()
	d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`))
	marker := filepath.Join(m.dir, "marker")
	var notes []string
	value, err := d.Run(patience(t), order(`
function M.here()
  step.note("first")
  task.sleep(0.7)
  exec.run({"touch", "`+marker+`"})
  step.note("second")
  task.sleep(0.7)
  step.note("third")
  return exec.run({"cat", "/proc/self/stat"}).exit
end`), func(event luabind.Event) {
		if event.Kind != luabind.KindNote {
			return
		}
		notes = append(notes, event.Text)
		if event.Text != "third" {
			m.cutLines()
		}
	})
	if err != nil || value != 0.0 {
		t.Fatal(value, err)
	}
	if want := []string{"first", "second", "third"}; !reflect.DeepEqual(notes, want) {
		t.Errorf("notes %q", notes)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Error(err)
	}
}

// The desk goes away for good: the job finishes, and another desk may read how.
func TestJobSurvivesItsDesk(t *testing.T) {
	m := newMachine(t)
	m.equip()
	d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`))
	marker := filepath.Join(m.dir, "marker")
	ctx, cancel := context.WithCancel(patience(t))
	defer cancel()
	_, err := d.Run(ctx, order(`
function M.here()
  step.note("begun")
  task.sleep(0.5)
  exec.run({"touch", "`+marker+`"})
end`), func(event luabind.Event) {
		if event.Text == "begun" {
			d.Close()
		}
	})
	if err == nil {
		t.Fatal("a desk that was closed has a result")
	}
	jobs := filepath.Join(m.state, "ctys", "jobs")
	ids, err := journal.Jobs(jobs)
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	ended := false
	must(t, journal.Follow(patience(t), filepath.Join(jobs, ids[0], journal.FileName), 1, func(entry journal.Entry) {
		if entry.Kind == journal.End {
			ended = entry.Error == nil
		}
	}))
	if _, err := os.Stat(marker); err != nil || !ended {
		t.Error("the job did not finish", err)
	}
}

// A job's process has nothing of the line that brought it, and shows nothing
// to other accounts.
func TestJobIsDetached(t *testing.T) {
	m := newMachine(t)
	m.equip()
	d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`))
	value, err := d.Run(patience(t), order(`
function M.here()
  local script = "p=$PPID; cut -d' ' -f1,6 /proc/$p/stat; readlink /proc/$p/cwd; readlink /proc/$p/fd/0 /proc/$p/fd/1 /proc/$p/fd/2; tr '\\0' '\\n' </proc/$p/environ | grep -c SSH_"
  return exec.run({"sh", "-c", script}).stdout
end`), func(luabind.Event) {})
	must(t, err)
	lines := strings.Split(strings.TrimSpace(value.(string)), "\n")
	if len(lines) != 6 {
		t.Fatalf("%q", lines)
	}
	pid, session, _ := strings.Cut(lines[0], " ")
	if pid != session || lines[1] != "/" || lines[2] != "/dev/null" || lines[3] != "/dev/null" || !strings.HasSuffix(lines[4], "/stderr") || lines[5] != "0" {
		t.Errorf("%q", lines)
	}
	filepath.WalkDir(filepath.Join(m.state, "ctys"), func(path string, entry os.DirEntry, err error) error {
		must(t, err)
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
}

func TestCommandsAndTunnels(t *testing.T) {
	m := newMachine(t)
	d := newDesk(t, m, m.row("lab01", `address = "127.0.0.1"`)+m.row("guest", `address = "localhost"`))
	out, err := d.Command(patience(t), "lab01", []string{"printf", "%s", "a b$c"})
	if err != nil || out != "a b$c" {
		t.Error(out, err)
	}
	if out, err := d.Command(patience(t), "", []string{"printf", "here"}); err != nil || out != "here" {
		t.Error(out, err)
	}
	conn, err := d.Dial(patience(t), "lab01", "tcp", m.address())
	must(t, err)
	defer conn.Close()
	greeting := make([]byte, 4)
	if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != "SSH-" {
		t.Error(string(greeting), err)
	}
	result, err := d.Remote().Run(patience(t), luabind.Machine{Name: "guest", Via: []string{"lab01"}}, []string{"sh", "-c", "cat; echo no >&2; exit 3"}, "0123456789", 4)
	if want := (luabind.RemoteResult{Exit: 3, Stdout: "0123", Stderr: "no\n"}); err != nil || result != want {
		t.Errorf("%+v %v", result, err)
	}
}

func TestMachineThatIsNotThere(t *testing.T) {
	m := newMachine(t)
	d := newDesk(t, m, `lab01 = { address = "127.0.0.1", port = 1 },`)
	if _, err := d.Run(patience(t), order(`function M.here() end`), func(luabind.Event) {}); primitives.KindOf(err) != primitives.Unreachable {
		t.Error(err)
	}
}
