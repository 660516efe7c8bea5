package luabind

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"ctys/primitives"
	"ctys/primitives/exec"
	"ctys/primitives/stack"
)

// tools answers for the programs that drivers run: by the command line, else by
// its first word.
type tools struct {
	mu      sync.Mutex
	answers map[string]exec.Result
	ran     []string
}

func (t *tools) Run(_ context.Context, request exec.Request) (exec.Result, error) {
	line := strings.Join(request.Argv, " ")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ran = append(t.ran, line+strings.ReplaceAll(request.Stdin, "\n", "|"))
	if answer, known := t.answers[line]; known {
		return answer, nil
	}
	if answer, known := t.answers[request.Argv[0]]; known {
		return answer, nil
	}
	return exec.Result{}, primitives.Errorf(primitives.Unsupported, "exec.run", "", "program %s is missing on this host", request.Argv[0])
}

// noStack is a host without any hypervisor that Go speaks to.
type noStack struct{ Stack }

func (noStack) Hypervisors(context.Context, string) ([]stack.Hypervisor, error) { return nil, nil }

// driven is a host with these tools and, beside the stock, these drivers.
func driven(with *tools, site map[string]string) Stack {
	files := fstest.MapFS{}
	for name, text := range site {
		files["drivers/"+name+".lua"] = &fstest.MapFile{Data: []byte(text)}
	}
	return withDrivers(Capabilities{Clock: primitives.SystemClock{}, Stack: noStack{}, Exec: with}, []fs.FS{files})
}

// toy is a driver whose tool prints a name and a state in each line.
const toy = `
local M = {}
M.head = { what = "toys", runs = { "toy --all", "toy stop" }, source = "toy(1)", tested = "recorded output" }
M.asks = { "acpi", "agent" }
M.states = { up = "running", down = "off" }
M.probe = { argv = { "toy", "--all" }, parse = function() return "1" end }
M.list = { argv = { "toy", "--all" }, output = "lines", each = function(line)
  local name, status = line:match("^(%S+) (%S+)$")
  return name and { name = name, status = status }
end }
M.shutdown = { argv = function(guest, mode) return { "toy", "stop", mode, guest.name } end }
M.destroy = { argv = function(guest) return { "toy", "rm", guest.name } end }
M.start = { argv = function() error("no idea") end }
return M
`

func toyHost(output string) (*tools, Stack) {
	with := &tools{answers: map[string]exec.Result{"toy --all": {Stdout: output}, "toy stop": {}}}
	return with, driven(with, map[string]string{"toy": toy})
}

func TestDriverListsAndAsks(t *testing.T) {
	with, host := toyHost("a up\nb down\nc sideways\n")
	ctx := context.Background()
	found, err := host.Hypervisors(ctx, "")
	if err != nil || len(found) != 1 || found[0].URI != "toy:///system" || found[0].Version != "1" {
		t.Fatalf("%+v, %v", found, err)
	}
	guests, err := host.List(ctx, "toy:///system")
	if err != nil {
		t.Fatal(err)
	}
	want := []stack.State{stack.Running, stack.Off, stack.Unknown}
	for i, guest := range guests {
		if guest.State != want[i] || guest.Asks != stack.ModeACPI || !guest.Persistent {
			t.Errorf("%+v", guest)
		}
	}
	if cause := guests[2].Cause; !strings.Contains(cause, `"sideways"`) {
		t.Errorf("the cause of the unknown state does not name the word: %q", cause)
	}
	again, err := host.Inspect(ctx, guests[0].Ref)
	if err != nil || again.UUID != guests[0].UUID || again.Name != "a" {
		t.Errorf("%+v, %v", again, err)
	}
	with.answers["toy stop acpi a"] = exec.Result{}
	if err := host.Shutdown(ctx, guests[0].Ref, stack.ModeACPI); err != nil {
		t.Error(err)
	}
	if !slices.Contains(with.ran, "toy stop acpi a") {
		t.Errorf("ran %q", with.ran)
	}
}

// A tool that answers what its driver does not understand is there: what it
// carries is not seen, which is not nothing.
func TestDriverDoesNotUnderstandItsTool(t *testing.T) {
	site := map[string]string{"toy": strings.Replace(toy, `return "1"`, `return nil`, 1)}
	found, err := driven(&tools{answers: map[string]exec.Result{"toy --all": {Stdout: "a warning, and no version"}}}, site).Hypervisors(context.Background(), "")
	if err == nil || len(found) != 1 || found[0].Problem == nil || !strings.Contains(err.Error(), "a warning, and no version") {
		t.Errorf("%+v, %v", found, err)
	}
}

// What the driver has not, or may not, is refused, and nothing is run.
func TestDriverRefusals(t *testing.T) {
	with, host := toyHost("a up\n")
	ctx := context.Background()
	guests, err := host.List(ctx, "toy:///system")
	if err != nil {
		t.Fatal(err)
	}
	a := guests[0].Ref
	for _, test := range []struct {
		what  string
		err   error
		kind  primitives.Kind
		words string
	}{
		{"a program that its head does not declare", host.Destroy(ctx, a), primitives.Denied, `the driver toy may run what its head declares (toy --all, toy stop), which "toy rm a" is not`},
		{"a verb that it has not", host.Suspend(ctx, a), primitives.Unsupported, "the driver toy has no suspend"},
		{"a mode that it has not", host.Shutdown(ctx, a, stack.ModeSignal), primitives.Unsupported, "the driver toy has no shutdown by signal"},
		{"a function that raises", host.Start(ctx, a), primitives.Internal, "the driver toy failed"},
		{"a guest that there is not", host.Shutdown(ctx, stack.Ref{URI: "toy:///system", UUID: "00000000-0000-0000-0000-000000000001"}, stack.ModeACPI), primitives.Invalid, "there is no guest"},
		{"another host", second(host.List(ctx, "toy+ssh://lab01/system")), primitives.Unsupported, "action.at"},
		{"another path", second(host.List(ctx, "toy:///session")), primitives.Invalid, "toy:///system"},
	} {
		if primitives.KindOf(test.err) != test.kind || !strings.Contains(test.err.Error(), test.words) {
			t.Errorf("%s: %v", test.what, test.err)
		}
	}
	for _, line := range with.ran {
		if line != "toy --all" {
			t.Errorf("ran %q", line)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Nothing that a tool prints in its trouble makes a guest off.
func TestDriverThatDoesNotUnderstand(t *testing.T) {
	ctx := context.Background()
	ref := stack.Ref{URI: "toy:///system", UUID: stack.NameUUID("toy:///system", "a")}
	for name, answer := range map[string]exec.Result{
		"exit status":    {Exit: 125, Stderr: "cannot connect"},
		"a strange line": {Stdout: "a up\nsomething else is wrong here\n"},
		"cut off":        {Stdout: "", Truncated: true},
		"twice the same": {Stdout: "b up\nb down\n"},
	} {
		with, host := toyHost("")
		with.answers["toy --all"] = answer
		guest, err := host.Inspect(ctx, ref)
		if err == nil || guest.State == stack.Off {
			t.Errorf("%s: %+v, %v", name, guest, err)
		}
	}
	for name, each := range map[string]string{
		"raises":          `error("what is this?")`,
		"gives nothing":   `return nil`,
		"gives a number":  `return 7`,
		"without a name":  `return { status = "down" }`,
		"an evil name":    `return { name = {}, status = "down" }`,
		"no UUID":         `return { name = "a", uuid = "x", status = "down" }`,
		"never ends":      `while true do end`,
		"a list for rows": `return { "a", "down" }`,
	} {
		with := &tools{answers: map[string]exec.Result{"toy --all": {Stdout: "a down\n"}}}
		host := driven(with, map[string]string{"toy": strings.Replace(toy, "local name, status = line", "do "+each+" end local name, status = line", 1)})
		guest, err := host.Inspect(ctx, ref)
		if err == nil || guest.State == stack.Off {
			t.Errorf("%s: %+v, %v", name, guest, err)
		}
	}
}

// A guest that is listed without a state, or with nonsense for one, is unknown.
func TestDriverWithoutAState(t *testing.T) {
	for _, status := range []string{`nil`, `7`, `{}`, `true`, `""`, `"off"`} {
		with := &tools{answers: map[string]exec.Result{"toy --all": {Stdout: "a down\n"}}}
		host := driven(with, map[string]string{"toy": strings.Replace(toy, "status = status }", "status = "+status+" }", 1)})
		guests, err := host.List(context.Background(), "toy:///system")
		if err != nil || guests[0].State != stack.Unknown || guests[0].Cause == "" {
			t.Errorf("%s: %+v, %v", status, guests, err)
		}
	}
}

// One that has gone from a whole list is off: its tool forgets what has ended.
func TestDriverGuestThatHasGone(t *testing.T) {
	with, host := toyHost("a up\nb up\n")
	ctx := context.Background()
	guests, err := host.List(ctx, "toy:///system")
	if err != nil {
		t.Fatal(err)
	}
	with.mu.Lock()
	with.answers["toy --all"] = exec.Result{Stdout: "b up\n"}
	with.mu.Unlock()
	seen, err := host.Await(ctx, guests[0].Ref, stack.Off)
	if err != nil || seen.State != stack.Off {
		t.Errorf("%+v, %v", seen, err)
	}
}

// A driver that cannot be loaded, or whose tool fails, is in the list with its
// problem: what it carries is not known. One whose tool is missing is not.
func TestDriverProblems(t *testing.T) {
	ctx := context.Background()
	for name, text := range map[string]string{
		"no table":     `return 7`,
		"no head":      `return {}`,
		"no Lua":       `return return`,
		"raises":       `error("x")`,
		"unknown key":  strings.Replace(toy, "source =", "sauce =", 1),
		"no runs":      strings.Replace(toy, "runs =", "what =", 1),
		"tested":       strings.Replace(toy, `"recorded output"`, `"well"`, 1),
		"state":        strings.Replace(toy, `down = "off"`, `down = "of"`, 1),
		"mode":         strings.Replace(toy, `"agent"`, `"please"`, 1),
		"no list":      strings.Replace(toy, "M.list =", "M.lists =", 1),
		"verb's key":   strings.Replace(toy, "M.destroy = { argv", "M.destroy = { args", 1),
		"probe parses": strings.Replace(toy, "parse = function() return \"1\" end", "", 1),
	} {
		host := driven(&tools{answers: map[string]exec.Result{"toy": {}}}, map[string]string{"toy": text})
		list, err := host.Hypervisors(ctx, "")
		if err == nil || len(list) != 1 || list[0].Problem == nil || !strings.Contains(list[0].Problem.Error(), "toy") {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	host := driven(&tools{answers: map[string]exec.Result{"toy": {Exit: 1, Stderr: "broken"}}}, map[string]string{"toy": toy})
	if list, err := host.Hypervisors(ctx, ""); err == nil || len(list) != 1 || !strings.Contains(list[0].Problem.Error(), "broken") {
		t.Errorf("a tool that fails: %+v, %v", list, err)
	}
	host = driven(&tools{}, map[string]string{"toy": toy})
	if list, err := host.Hypervisors(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("a tool that is missing: %+v, %v", list, err)
	}
	host = driven(&tools{}, map[string]string{"xen": toy})
	if _, err := host.Hypervisors(ctx, ""); err == nil || !strings.Contains(err.Error(), "another name") {
		t.Errorf("a driver with the name of one of Go's: %v", err)
	}
}

// A driver runs for whoever may use stack, and needs no exec of its script.
func TestDriverRunsForItsCaller(t *testing.T) {
	with, _ := toyHost("a up\n")
	with.answers["toy stop acpi a"] = exec.Result{}
	site := fstest.MapFS{"drivers/toy.lua": &fstest.MapFile{Data: []byte(toy)}}
	run := func(touch string, plan bool) (*recorder, error) {
		journal := &recorder{}
		host := New(Capabilities{Stack: noStack{}, Exec: with}, Options{Path: []fs.FS{site}, Authority: &Authority{Touch: []string{touch}}, Journal: journal, Plan: plan})
		_, err := host.Run(context.Background(), Script{Name: "x.lua", Source: `
for _, h in ipairs(stack.hypervisors()) do
  for _, g in ipairs(stack.list{ uri = h.uri }) do
    g:shutdown{ mode = g.asks }
    if step.planning() then assert(g:refresh().state == "off") end
  end
end`})
		return journal, err
	}
	journal, err := run("stack", false)
	if err != nil {
		t.Fatal(err)
	}
	if len(journal.entries) < 2 || journal.entries[0].Op != "stack.shutdown" || !strings.HasPrefix(journal.entries[0].Object, "toy:///system ") {
		t.Errorf("journal: %+v", journal.entries)
	}
	before := len(with.ran)
	if _, err := run("stack", true); err != nil {
		t.Error(err)
	}
	_, err = run("stack.read", false)
	var refused *ScriptError
	if !errors.As(err, &refused) || refused.Kind != primitives.Denied {
		t.Errorf("a script that may only read: %v", err)
	}
	for _, line := range with.ran[before:] {
		if strings.HasPrefix(line, "toy stop") {
			t.Errorf("neither a plan nor a script that only reads may run %q", line)
		}
	}
}
