package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/shutdown"
	"ctys/primitives/wol"
)

// world is a desk and machines whose agents run in this process, connected by
// lines that a test can cut.
type world struct {
	t    *testing.T
	desk *Desk
	dir  string

	mu      sync.Mutex
	lines   map[string][]net.Conn // by machine
	refused map[string]bool       // machines that do not answer
	opened  []string
	host    func(machine string) Host
	life    context.Context // of all machines
}

func newWorld(t *testing.T, machines string, options DeskOptions) *world {
	t.Helper()
	if machines != "" {
		inv, err := inventory.Parse(filepath.Join(t.TempDir(), "machines.lua"), []byte(machines))
		if err != nil {
			t.Fatal(err)
		}
		options.Inventory = inv
	}
	options.Version = "test"
	w := &world{t: t, dir: t.TempDir(), lines: map[string][]net.Conn{}, refused: map[string]bool{}}
	w.desk = NewDesk(options)
	w.desk.open = w.open
	w.host = func(machine string) Host { return w.plainHost(machine, luabind.Capabilities{}) }
	life, end := context.WithCancel(context.Background())
	w.life = life
	t.Cleanup(func() {
		end()
		w.awaitSilence()
	})
	return w
}

// awaitSilence waits until no job writes any more: they outlive their lines.
func (w *world) awaitSilence() {
	folders, _ := filepath.Glob(filepath.Join(w.dir, "*", "2*"))
	for _, folder := range folders {
		for range 500 {
			if running, err := journal.Running(filepath.Dir(folder), filepath.Base(folder)); err != nil || !running {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (w *world) plainHost(machine string, powers luabind.Capabilities) Host {
	dir := filepath.Join(w.dir, machine)
	return Host{
		Version:      "test",
		Life:         w.life,
		Capabilities: func(context.Context, luabind.Order) (luabind.Capabilities, func(), error) { return powers, nil, nil },
		StateDir:     func() (string, error) { return dir, nil },
		Lease: func(ctx context.Context, job string) (io.Closer, string, error) {
			lease, err := journal.Acquire(ctx, primitives.SystemClock{}, w.dir, machine, job)
			return lease, "", err
		},
	}
}

// pipeProcess is the command at the far end of a pipe.
type pipeProcess struct {
	conn  net.Conn
	ended chan struct{}
}

func (p pipeProcess) Wait() (int, error) { <-p.ended; return 0, nil }
func (p pipeProcess) Close() error       { return p.conn.Close() }

func (w *world) open(ctx context.Context, machine luabind.Machine, argv ...string) (*channel, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = append(w.opened, fmt.Sprint(machine.Name, machine.Via, argv[0]))
	if w.refused[machine.Name] {
		return nil, primitives.Errorf(primitives.Unreachable, "test", machine.Name, "does not answer")
	}
	near, far := net.Pipe()
	w.lines[machine.Name] = append(w.lines[machine.Name], near, far)
	p := pipeProcess{near, make(chan struct{})}
	host := w.host(machine.Name)
	go func() {
		defer close(p.ended)
		defer far.Close()
		Serve(context.Background(), argv, far, far, io.Discard, host)
	}()
	c := &channel{process: p, from: newLineReader(near), to: newLineWriter(near), words: &head{}}
	if _, err := w.desk.awaitHello(ctx, c); err != nil {
		return nil, err
	}
	return c, nil
}

// talker is an agent that says hello and then one thing.
func talker(text string) func(context.Context, luabind.Machine, ...string) (*channel, error) {
	return func(context.Context, luabind.Machine, ...string) (*channel, error) {
		near, far := net.Pipe()
		p := pipeProcess{near, make(chan struct{})}
		go func() {
			defer close(p.ended)
			defer far.Close()
			if _, err := newLineReader(far).next(); err == nil {
				io.WriteString(far, text+"\n")
			}
		}()
		return &channel{process: p, from: newLineReader(near), to: newLineWriter(near), words: &head{}}, nil
	}
}

// cut breaks every line to a machine.
func (w *world) cut(machine string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.lines[machine] {
		conn.Close()
	}
	w.lines[machine] = nil
}

func (w *world) order(machine, script string) luabind.Order {
	order := luabind.Order{
		Machine: luabind.Machine{Name: machine}, Script: "job", Function: "here", Request: map[string]any{"word": "hello"},
		Modules:   map[string]string{"job.lua": "local M = {}\n" + script + "\nreturn M\n"},
		Authority: luabind.Everything, Settings: inventory.DefaultSite().Values(),
	}
	if inv := w.desk.options.Inventory; inv.Row(machine) != nil {
		names := []string{machine}
		for _, row := range inv.Rows() {
			names = append(names, row.Name)
		}
		order.Inventory = string(inv.Subset(names))
	}
	return order
}

// heard collects events.
type heard struct {
	mu     sync.Mutex
	events []luabind.Event
	hook   func(luabind.Event)
}

func (h *heard) take(event luabind.Event) {
	h.mu.Lock()
	h.events = append(h.events, event)
	h.mu.Unlock()
	if h.hook != nil {
		h.hook(event)
	}
}

func (h *heard) texts(kind journal.Kind) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var texts []string
	for _, event := range h.events {
		if event.Kind == kind {
			texts = append(texts, event.Text)
		}
	}
	return texts
}

func run(t *testing.T, w *world, order luabind.Order, h *heard) (any, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return w.desk.Run(ctx, order, h.take)
}

func TestOrderIsCarriedOutThere(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	h := &heard{}
	value, err := run(t, w, w.order("lab01", `
function M.here(request)
  step.note("at " .. action.here() .. ": " .. request.word)
  print("printed")
  return {list = {1, 2}, word = request.word}
end`), h)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"list": []any{1.0, 2.0}, "word": "hello"}
	if !reflect.DeepEqual(value, want) {
		t.Errorf("value %v", value)
	}
	if notes := h.texts(luabind.KindNote); !reflect.DeepEqual(notes, []string{"at lab01: hello"}) {
		t.Errorf("notes %q", notes)
	}
	if printed := h.texts(luabind.KindOutput); !reflect.DeepEqual(printed, []string{"printed"}) {
		t.Errorf("printed %q", printed)
	}
}

func TestErrorOfTheScriptKeepsItsKind(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	for _, plan := range []bool{false, true} {
		order := w.order("lab01", `function M.here() error{kind = "busy", message = "the guest is locked"} end`)
		order.Plan = plan
		_, err := run(t, w, order, &heard{})
		if primitives.KindOf(err) != primitives.Busy || !strings.Contains(err.Error(), "the guest is locked") || !strings.Contains(err.Error(), "job.lua:2") {
			t.Errorf("plan %v: %v", plan, err)
		}
	}
}

// The exit code that an error asks for comes over the line.
func TestErrorOfTheScriptKeepsItsExit(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	for script, want := range map[string]int{
		`function M.here() error{kind = "invalid", message = "no such guest", exit = 1} end`: 1,
		`function M.here() error{kind = "denied", message = "it is not for you"} end`:        0,
		`function M.here() error{kind = "internal", message = "ask first", exit = 3} end`:    3,
		`function M.here() error{kind = "internal", message = "odd", exit = 1000} end`:       0,
	} {
		_, err := run(t, w, w.order("lab01", script), &heard{})
		if err == nil || luabind.ExitOf(err) != want {
			t.Errorf("%s: exit %d of %v, want %d", script, luabind.ExitOf(err), err, want)
		}
	}
}

// What takes power away waits for the desk's journal too; what does not goes on.
func TestDeskWithoutAJournal(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	w.host = func(machine string) Host {
		return w.plainHost(machine, luabind.Capabilities{Shutdown: falling{w, func() {}}})
	}
	order := w.order("lab01", `function M.here()
  shutdown.announce{message = "going down"}
  local ok, err = pcall(shutdown.apply, {machine = "lab01", method = "poweroff"})
  return {ok = ok, kind = err.kind, message = err.message}
end`)
	order.MayDown, order.NoJournal = true, "the disk is full"
	value, err := run(t, w, order, &heard{})
	result, _ := value.(map[string]any)
	if err != nil || result["ok"] != false || result["kind"] != "denied" || !strings.Contains(fmt.Sprint(result["message"]), "the disk is full") {
		t.Error(value, err)
	}
}

func TestPlanLeavesNothingBehind(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	order := w.order("lab01", `function M.here() return step.planning() end`)
	order.Plan = true
	value, err := run(t, w, order, &heard{})
	if err != nil || value != true {
		t.Fatal(value, err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "lab01", "*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// A line that is cut again and again: every event arrives once and in order.
func TestCutLineLosesNothing(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	h := &heard{}
	count := 0
	h.hook = func(event luabind.Event) {
		if count++; count%10 == 5 {
			w.cut("lab01")
		}
	}
	value, err := run(t, w, w.order("lab01", `
function M.here()
  for i = 1, 40 do step.note("event " .. i); task.sleep(0.002) end
  return "whole"
end`), h)
	if err != nil || value != "whole" {
		t.Fatal(value, err)
	}
	var want []string
	for i := 1; i <= 40; i++ {
		want = append(want, fmt.Sprintf("event %d", i))
	}
	if notes := h.texts(luabind.KindNote); !reflect.DeepEqual(notes, want) {
		t.Errorf("notes %q", notes)
	}
	for last, i := uint64(0), 0; i < len(h.events); i++ {
		if h.events[i].Host == "" { // the desk's own
			continue
		}
		if h.events[i].Seq <= last {
			t.Errorf("event %d after %d", h.events[i].Seq, last)
		}
		last = h.events[i].Seq
	}
}

// What an agent has done is also told by one whose job is over and forgotten.
func TestAttachAfterTheEnd(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	h := &heard{}
	h.hook = func(event luabind.Event) {
		if event.Text != "first" {
			return
		}
		w.cut("lab01")
		job, _ := journal.Jobs(filepath.Join(w.dir, "lab01"))
		for range 500 {
			if log, err := journal.Read(filepath.Join(w.dir, "lab01", job[0], journal.FileName)); err == nil && log.Entries[len(log.Entries)-1].Kind == journal.End {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	value, err := run(t, w, w.order("lab01", `
function M.here() step.note("first"); task.sleep(0.02); step.note("second"); return "over" end`), h)
	if err != nil || value != "over" {
		t.Fatal(value, err)
	}
	if notes := h.texts(luabind.KindNote); !reflect.DeepEqual(notes, []string{"first", "second"}) {
		t.Errorf("notes %q", notes)
	}
}

const familyRows = `return {
  host = { address = "10.0.0.1", bmc = { host = "10.0.1.1", user = "admin", password = secret.env("CTYS_TEST_BMC") } },
  guest = { parent = "host", address = "10.0.0.2", password = secret.env("CTYS_TEST_GUEST") },
  other = { address = "10.0.0.9", password = secret.env("CTYS_TEST_GUEST"), bmc = { host = "10.0.1.9", user = "admin" } },
}`

func TestNestedRunGoesThroughTheDesk(t *testing.T) {
	w := newWorld(t, familyRows, DeskOptions{})
	h := &heard{}
	order := w.order("host", `
function M.here()
  return step.run("the guest", function() return action.at("guest", "job", {deep = true}, {call = "inside"}) end)
end
function M.inside(request) step.note("inside " .. action.here()); return {from = action.here(), deep = request.deep} end`)
	value, err := run(t, w, order, h)
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[string]any{"from": "guest", "deep": true}); !reflect.DeepEqual(value, want) {
		t.Errorf("value %v", value)
	}
	var step, note luabind.Event
	for _, event := range h.events {
		switch event.Kind {
		case luabind.KindStep:
			step = event
		case luabind.KindNote:
			note = event
		}
	}
	if note.Host != "guest" || note.Step != step.Seq || step.Host != "host" {
		t.Errorf("the note %+v does not stand below the step %+v", note, step)
	}
}

func TestAgentReachesOnlyWhatStandsBelowIt(t *testing.T) {
	w := newWorld(t, familyRows, DeskOptions{})
	for _, name := range []string{"other", "localhost"} {
		order := w.order("host", `function M.here() return action.at("`+name+`", "job", {}, {call = "inside"}) end function M.inside() return 1 end`)
		if _, err := run(t, w, order, &heard{}); primitives.KindOf(err) != primitives.Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := run(t, w, w.order("host", `function M.here() return action.at("10.0.0.77", "job", {}, {call = "inside"}) end function M.inside() return 1 end`), &heard{}); err != nil {
		t.Error(err)
	}
	if last := w.opened[len(w.opened)-1]; last != "10.0.0.77[host]start" {
		t.Errorf("a guest that the inventory does not know was reached by %q", last)
	}
}

func TestBMCIsAskedByTheDesk(t *testing.T) {
	t.Setenv("CTYS_TEST_BMC", "s3cret")
	bmc := &fakeBMC{}
	w := newWorld(t, familyRows, DeskOptions{IPMI: bmc})
	const script = `function M.here()
  local row = inventory.machine("host").bmc
  local bmc = ipmi.connect{host = row.host, user = row.user, password = row.password}
  bmc:power_soft()
  return bmc:power_status()
end`
	value, err := run(t, w, w.order("host", script), &heard{})
	if err != nil || value != "on" {
		t.Fatal(value, err)
	}
	want := []string{"soft 10.0.1.1 admin s3cret", "status 10.0.1.1 admin s3cret", "status 10.0.1.1 admin s3cret"}
	if !reflect.DeepEqual(bmc.calls, want) {
		t.Errorf("calls %q", bmc.calls)
	}
	order := w.order("host", strings.ReplaceAll(script, "row.user", `"root"`))
	if _, err := run(t, w, order, &heard{}); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("another account: %v", err)
	}
	order = w.order("host", script)
	order.Inventory = string(w.desk.options.Inventory.Subset([]string{"guest"}))
	order.Inventory = strings.ReplaceAll(order.Inventory, "10.0.1.1", "10.0.1.9")
	if _, err := run(t, w, order, &heard{}); primitives.KindOf(err) == "" {
		t.Errorf("another machine's BMC was asked")
	}
}

// A secret is fetched from the desk when it is used, and not after the line is
// cut for good.
func TestSecretsStayAtTheDesk(t *testing.T) {
	t.Setenv("CTYS_TEST_GUEST", "hush")
	w := newWorld(t, familyRows, DeskOptions{})
	used := make(chan string, 2)
	gate := make(chan struct{})
	w.host = func(machine string) Host {
		return w.plainHost(machine, luabind.Capabilities{IPMI: secretEater{used: used, gate: gate}})
	}
	order := w.order("host", `
function M.here()
  local secret = inventory.machine("guest").password
  assert(tostring(secret) == "<secret>")
  local bmc = ipmi.connect{host = "10.0.1.50", user = "x", password = secret}
  bmc:power_status()
  step.note("once")
  local again = ipmi.connect{host = "10.0.1.50", user = "x", password = inventory.machine("guest").password}
  local ok, err = pcall(again.power_status, again)
  return {ok = ok, kind = err.kind}
end`)
	order.Inventory = strings.Replace(order.Inventory, "return {", `return { viahost = { bmc = { host = "10.0.1.50", via = "host" } },`, 1)
	h := &heard{}
	h.hook = func(event luabind.Event) {
		if event.Text == "once" {
			w.cut("host")
			w.mu.Lock()
			w.refused["host"] = true
			w.mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			close(gate)
			time.Sleep(100 * time.Millisecond)
			w.mu.Lock()
			w.refused["host"] = false
			w.mu.Unlock()
		}
	}
	value, err := run(t, w, order, h)
	if err != nil {
		t.Fatal(err)
	}
	if first := <-used; first != "hush" {
		t.Errorf("first use: %q", first)
	}
	if want := (map[string]any{"ok": false, "kind": "unreachable"}); !reflect.DeepEqual(value, want) {
		t.Errorf("value %v", value)
	}
}

// secretEater is a BMC of the machine itself; its second use waits for gate.
type secretEater struct {
	luabind.IPMI
	used chan string
	gate chan struct{}
}

func (s secretEater) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	if len(s.used) > 0 {
		<-s.gate
	}
	text, err := target.Password.Reveal(ctx)
	if err != nil {
		return ipmi.Status{}, err
	}
	s.used <- text
	return ipmi.Status{Power: primitives.PowerOn}, nil
}

func (secretEater) Control(context.Context, ipmi.Target, ipmi.Control) error { return nil }

func TestCancelReachesTheAgent(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	h := &heard{hook: func(event luabind.Event) {
		if event.Text == "begun" {
			cancel()
		}
	}}
	began := time.Now()
	_, err := w.desk.Run(ctx, w.order("lab01", `function M.here() step.note("begun"); task.sleep(3600) end`), h.take)
	if primitives.KindOf(err) != primitives.Canceled || time.Since(began) > 8*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// A run has a machine from its first change to its end: another that would
// change it is refused, and one that only reads, or sends a packet, is not.
func TestSecondRunFindsTheMachineTaken(t *testing.T) {
	const keeps, takesDown = `journal.keep("ran", function() return 1 end)`, `shutdown.announce{message = "down"}`
	for _, test := range []struct {
		name, first, second string
		want                primitives.Kind
	}{
		{"both keep", keeps, keeps, primitives.Busy},
		{"an intent after a keep", keeps, takesDown, primitives.Busy},
		{"a keep after an intent", takesDown, keeps, primitives.Busy},
		{"the second only reads", keeps, `return shutdown.identity().boot_id`, ""},
		{"both wake others", `wol.send{mac = "52:54:00:00:00:01", address = "127.0.0.1"}`, `wol.send{mac = "52:54:00:00:00:02", address = "127.0.0.1"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, ended := newWorld(t, "", DeskOptions{}), make(chan struct{})
			w.host = func(machine string) Host {
				return w.plainHost(machine, luabind.Capabilities{Shutdown: waiting{open: ended}, WOL: packets{}})
			}
			h := &heard{}
			var second error
			h.hook = func(event luabind.Event) {
				if event.Text == "mine" {
					_, second = run(t, w, w.order("lab01", "function M.here() "+test.second+" end"), &heard{})
					close(ended)
				}
			}
			if _, err := run(t, w, w.order("lab01", "function M.here() "+test.first+`; step.note("mine"); shutdown.supported{method = "poweroff"} end`), h); err != nil {
				t.Fatal(err)
			}
			if (second != nil || test.want != "") && primitives.KindOf(second) != test.want {
				t.Errorf("the second run: %v", second)
			}
			if _, err := run(t, w, w.order("lab01", "function M.here() "+test.second+" end"), &heard{}); err != nil {
				t.Errorf("after the first: %v", err)
			}
		})
	}
}

// packets takes magic packets and sends none.
type packets struct{}

func (packets) Send(context.Context, wol.Request) (wol.Sent, error) { return wol.Sent{}, nil }

func TestReceiptIsGiven(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	value, err := run(t, w, w.order("lab01", `function M.here() return journal.receipt{deadline = 5} end`), &heard{})
	if err != nil || value != true {
		t.Fatal(value, err)
	}
}

// falling is a machine that ends its lines when it is taken down.
type falling struct {
	w    *world
	life context.CancelFunc
}

func (falling) Supported(context.Context, shutdown.Request) error { return nil }
func (falling) Announce(context.Context, string) error            { return nil }
func (f falling) Do(ctx context.Context, _ shutdown.Request) (shutdown.Accepted, error) {
	f.w.mu.Lock()
	f.w.refused["lab01"] = true
	f.w.mu.Unlock()
	f.life()
	f.w.cut("lab01")
	<-ctx.Done()
	return shutdown.Accepted{}, ctx.Err()
}

func (falling) InRunLevel(context.Context, int) (bool, error) { return false, nil }
func (falling) Identity(context.Context) (shutdown.Identity, error) {
	return shutdown.Identity{Hostname: "lab01", BootID: "1"}, nil
}

// waiting is a machine that says what it supports when open is closed.
type waiting struct {
	falling
	open <-chan struct{}
}

func (w waiting) Supported(ctx context.Context, _ shutdown.Request) error {
	select {
	case <-w.open:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func TestMachineThatHasAnnouncedItsEnd(t *testing.T) {
	w := newWorld(t, "", DeskOptions{Clock: hastyClock{}})
	life, end := context.WithCancel(context.Background())
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{Shutdown: falling{w, end}})
		host.Life = life
		return host
	}
	order := w.order("lab01", `function M.here() journal.receipt{deadline = 5, report = {ran = {"web1"}, down = "not this"}}; shutdown.apply{machine = "lab01", method = "poweroff"} end`)
	order.MayDown = true
	value, err := run(t, w, order, &heard{})
	result, _ := value.(map[string]any)
	if err != nil || result["lost"] != true || result["down"] != true || result["receipt"] != true || fmt.Sprint(result["ran"]) != "[web1]" {
		t.Fatal(value, err)
	}
}

func TestMachineThatIsLost(t *testing.T) {
	w := newWorld(t, "", DeskOptions{Clock: hastyClock{}})
	h := &heard{hook: func(event luabind.Event) {
		if event.Text == "last words" {
			w.mu.Lock()
			w.refused["lab01"] = true
			w.mu.Unlock()
			w.cut("lab01")
		}
	}}
	_, err := run(t, w, w.order("lab01", `function M.here() step.note("last words"); task.sleep(0.5) end`), h)
	var lost *LostLine
	if primitives.KindOf(err) != primitives.Unreachable || !errors.As(err, &lost) || lost.Down || lost.Job == "" || lost.Last.Text != "last words" {
		t.Fatal(err, lost)
	}
}

// A machine that answers, and whose agent ends at once whenever it is called to
// go on, is not called for ever.
func TestAgentThatOnlySaysHello(t *testing.T) {
	w := newWorld(t, "", DeskOptions{Clock: hastyClock{}})
	open := w.desk.open
	w.desk.open = func(ctx context.Context, machine luabind.Machine, argv ...string) (*channel, error) {
		if argv[0] == "start" {
			return open(ctx, machine, argv...)
		}
		near, far := net.Pipe()
		far.Close()
		p := pipeProcess{near, make(chan struct{})}
		close(p.ended)
		return &channel{process: p, from: newLineReader(near), to: newLineWriter(near), words: &head{}}, nil
	}
	h := &heard{hook: func(event luabind.Event) {
		if event.Text == "last words" {
			w.cut("lab01")
		}
	}}
	_, err := run(t, w, w.order("lab01", `function M.here() step.note("last words"); task.sleep(0.5) end`), h)
	var lost *LostLine
	if primitives.KindOf(err) != primitives.Unreachable || !errors.As(err, &lost) || lost.Last.Text != "last words" {
		t.Fatal(err)
	}
}

// A folder that has become full or read-only while a job ran still tells a desk
// that comes back what the job has done.
func TestComingBackToAFolderThatCannotBeWritten(t *testing.T) {
	w := newWorld(t, "", DeskOptions{Clock: hastyClock{}})
	var full atomic.Bool
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{})
		dir := filepath.Join(w.dir, machine)
		host.StateDir = func() (string, error) {
			if full.Load() {
				return dir, primitives.Errorf(primitives.Denied, "test", "", "no space left on device")
			}
			return dir, nil
		}
		return host
	}
	h := &heard{hook: func(event luabind.Event) {
		if event.Text == "first" {
			full.Store(true)
			w.cut("lab01")
		}
	}}
	value, err := run(t, w, w.order("lab01", `function M.here() step.note("first"); task.sleep(0.05); return "over" end`), h)
	if err != nil || value != "over" {
		t.Fatal(value, err)
	}
}

// A job whose journal is damaged is lost, and the desk hears why.
func TestDamagedJournalIsTold(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	const id = "20260731-142530-042-9f3a61c2"
	folder := filepath.Join(w.dir, "lab01", id)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, journal.FileName), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	Serve(context.Background(), []string{"attach", id, "1"}, strings.NewReader(""), &said, io.Discard, w.host("lab01"))
	from := newLineReader(&said)
	if first, err := from.next(); err != nil || first.Hello == nil {
		t.Fatal(first, err)
	}
	last, err := from.next()
	if err != nil || last.Result == nil || !last.Result.Vanished || !strings.Contains(last.Result.Error.Message, journal.FileName+":1") {
		t.Errorf("%+v, %v", last.Result, err)
	}
}

// hastyClock is the desk's where a test must not wait: its seconds are
// hundredths.
type hastyClock struct{ primitives.SystemClock }

func (hastyClock) Sleep(ctx context.Context, d time.Duration) error {
	return primitives.SystemClock{}.Sleep(ctx, d/100)
}

func (hastyClock) WithDeadline(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Until(deadline)/100)
}
