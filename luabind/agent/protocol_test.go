package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
)

// malformed are lines that no peer of this version writes.
var malformed = []string{
	"", " ", "null", "{}", "[]", "1", `"hello"`, "{", "}", `{"hello":{"version":"1"}`,
	`{"hello":{"version":"1"},"done":true}`, `{"hello":{"version":1}}`, `{"hello":{"version":"1"}} {}`,
	`{"unknown":1}`, `{"receipt":-1}`, `{"receipt":"7"}`, `{"receipt":18446744073709551616}`, `{"done":false}`,
	`{"event":{"seq":"x"}}`, `{"ask":[]}`, `{"answer":{"id":{}}}`, `{"order":"cancel"}`, "\x00", "\xff\xfe", "SSH-2.0-OpenSSH_9.2",
}

func TestMalformedLinesAreRefused(t *testing.T) {
	for _, text := range malformed {
		if message, err := newLineReader(strings.NewReader(text + "\n")).next(); err == nil {
			t.Errorf("%q was read as %+v", text, message)
		}
	}
	if _, err := newLineReader(strings.NewReader(`{"done":true}`)).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a line without an end: %v", err)
	}
	if _, err := newLineReader(strings.NewReader("")).next(); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
	endless := io.MultiReader(strings.NewReader(`{"job":"`), neverEnding{})
	if _, err := newLineReader(endless).next(); !errors.Is(err, errTooLong) {
		t.Errorf("an endless line: %v", err)
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// A desk that hears nonsense from an agent fails; it neither hangs nor takes
// the nonsense for a result.
func TestDeskRefusesNonsense(t *testing.T) {
	for _, text := range append(malformed, `{"order":{}}`, `{"cancel":true}`, `{"hello":{"version":"test"}}`) {
		w := newWorld(t, "", DeskOptions{})
		w.desk.open = talker(text)
		if value, err := run(t, w, w.order("lab01", ""), &heard{}); primitives.KindOf(err) != primitives.Unreachable {
			t.Errorf("%q: %v %v", text, value, err)
		}
	}
}

// What a machine says to be kept is kept as its own: it does not write into what
// the desk remembers.
func TestAMachineDoesNotSpeakForTheDesk(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	w.desk.open = talker(`{"event":{"seq":1,"at":"2026-07-31T14:25:30Z","kind":"keep","key":"this run of lab02","data":{"value":{}}}}`)
	h := &heard{}
	_, _ = run(t, w, w.order("lab01", ""), h)
	for _, event := range h.events {
		if event.Kind == luabind.KindKeep && event.Host != "lab01" {
			t.Errorf("kept as of %q: %+v", event.Host, event)
		}
	}
	if len(h.events) == 0 {
		t.Error("nothing was heard")
	}
}

// An agent that hears nonsense from its desk cuts the line, and says so by
// that alone: the job goes on.
func TestAgentRefusesNonsense(t *testing.T) {
	for _, text := range malformed {
		w := newWorld(t, "", DeskOptions{})
		near, far := net.Pipe()
		ended := make(chan int, 1)
		go func() {
			ended <- Serve(t.Context(), []string{"start"}, far, far, io.Discard, w.host("lab01"))
			far.Close()
		}()
		from := newLineReader(near)
		if message, err := from.next(); err != nil || message.Hello == nil {
			t.Fatal(message, err)
		}
		go io.WriteString(near, text+"\n")
		if message, err := from.next(); err == nil {
			t.Errorf("%q was answered by %+v", text, message)
		}
		if <-ended == exitDone {
			t.Errorf("%q was taken for an order", text)
		}
	}
}

func TestEventThatIsTooLong(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	h := &heard{}
	value, err := run(t, w, w.order("lab01", `
function M.here()
  step.note(string.rep("x", 5 * 1024 * 1024))
  step.note("after")
  return #string.rep("y", 10)
end`), h)
	notes := h.texts(luabind.KindNote)
	if err != nil || value != 10.0 || len(notes) != 2 || len(notes[0]) > 100 || notes[1] != "after" {
		t.Errorf("%v %v %d notes", value, err, len(notes))
	}
	_, err = run(t, w, w.order("lab01", `function M.here() return string.rep("x", 5 * 1024 * 1024) end`), h)
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a result that is too long: %.200v", err)
	}
}

// Where nothing can be kept on disk, what takes power away is refused, and all
// else goes on.
func TestMachineWithoutStateFolder(t *testing.T) {
	t.Run("read-only", func(t *testing.T) {
		machineWithoutStateFolder(t, "read-only", func() (string, error) {
			return "", primitives.Errorf(primitives.Denied, "test", "", "read-only")
		})
	})
	t.Run("full when the order is kept", func(t *testing.T) {
		machineWithoutStateFolder(t, "cannot be made", func() (string, error) { return "/proc/none/of/that", nil })
	})
}

func machineWithoutStateFolder(t *testing.T, why string, stateDir func() (string, error)) {
	w := newWorld(t, "", DeskOptions{})
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{Shutdown: falling{}})
		host.StateDir = stateDir
		return host
	}
	order := w.order("lab01", `
function M.here()
  step.note("goes on")
  print("also")
  local ok, err = pcall(shutdown.apply, {machine = "lab01", method = "poweroff"})
  return {ok = ok, kind = err.kind}
end`)
	order.MayDown = true
	h := &heard{}
	value, err := run(t, w, order, h)
	if want := (map[string]any{"ok": false, "kind": "denied"}); err != nil || !reflect.DeepEqual(value, want) {
		t.Error(value, err)
	}
	if notes := h.texts(luabind.KindNote); !reflect.DeepEqual(notes, []string{"goes on"}) {
		t.Errorf("notes %q", notes)
	}
	if output := h.texts(luabind.KindOutput); !reflect.DeepEqual(output, []string{"also"}) {
		t.Errorf("output %q", output)
	}
	if warnings := h.texts(luabind.KindWarning); len(warnings) != 1 || !strings.Contains(warnings[0], why) {
		t.Errorf("warnings %q", warnings)
	}
}

// A socket's path may be longer than the system takes.
func TestFolderWithALongName(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	w.dir = filepath.Join(w.dir, strings.Repeat("long", 30))
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{})
		host.Lease = func(context.Context, string) (io.Closer, string, error) { return io.NopCloser(nil), "", nil }
		return host
	}
	if value, err := run(t, w, w.order("lab01", `function M.here() return 1 end`), &heard{}); err != nil || value != 1.0 {
		t.Error(value, err)
	}
}

func TestWaysToAGuest(t *testing.T) {
	inv, err := inventory.Parse("machines.lua", []byte(`return {
  outer = { address = "10.0.0.1", port = 2222, user = "ops" },
  inner = { parent = "outer", address = "10.0.0.2" },
  guest = { parent = "inner", address = "10.0.0.3", identity = "keys/guest" },
}`))
	if err != nil {
		t.Fatal(err)
	}
	targets, err := ways(inv, place{name: "guest", user: "root"})
	if err != nil {
		t.Fatal(err)
	}
	var chains []string
	for _, target := range targets {
		words := []string{}
		for _, hop := range append(target.Via, target) {
			words = append(words, hop.User+"@"+hop.Address)
		}
		chains = append(chains, strings.Join(words, " "))
	}
	want := []string{"root@10.0.0.3", "@10.0.0.2 root@10.0.0.3", "ops@10.0.0.1 @10.0.0.2 root@10.0.0.3"}
	if !reflect.DeepEqual(chains, want) || targets[0].IdentityFile != "keys/guest" {
		t.Errorf("%q, identity %s", chains, targets[0].IdentityFile)
	}
	explicit, err := ways(inv, place{name: "guest", via: "me@outer:22,elsewhere"})
	if err != nil || len(explicit) != 1 || len(explicit[0].Via) != 2 || explicit[0].Via[0].Port != 22 || explicit[0].Via[1].Host != "elsewhere" {
		t.Errorf("%+v %v", explicit, err)
	}
}

func TestPlaces(t *testing.T) {
	for host, want := range map[string]place{
		"lab01": {name: "lab01"}, "root@lab01": {name: "lab01", user: "root"}, "lab01:2222": {name: "lab01", port: 2222},
		"a@b@lab01:22": {name: "lab01", user: "a@b", port: 22}, "fe80::1": {name: "fe80::1"}, "[fe80::1]:22": {name: "fe80::1", port: 22},
	} {
		if got, err := parsePlace(host); err != nil || got != want {
			t.Errorf("%s: %+v %v", host, got, err)
		}
	}
	for _, host := range []string{"", "root@", "lab01:", "lab01:0", "lab01:x", "lab01:70000", "[fe80::1"} {
		if got, err := parsePlace(host); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%q: %+v %v", host, got, err)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, text := range append(malformed, `{"event":{"seq":1,"at":"2026-07-31T14:25:30Z","kind":"note","text":"x"}}`, `{"told":{"id":1,"event":{}}}`) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		message, err := parseLine(text)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := newLineWriter(&out).send(message); err != nil {
			t.Fatal(err)
		}
		if again, err := newLineReader(&out).next(); err != nil || again.fields() != 1 {
			t.Fatal(again, err)
		}
	})
}

// Where leases cannot be shared between the accounts of a machine, the operator
// is told, once.
func TestLeaseThatOthersDoNotSee(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{Shutdown: falling{}})
		host.Lease = func(context.Context, string) (io.Closer, string, error) {
			return io.NopCloser(nil), "runs of other accounts are not seen", nil
		}
		return host
	}
	h := &heard{}
	_, err := run(t, w, w.order("lab01", `function M.here()
  for i = 1, 3 do journal.keep("k" .. i, function() return i end); shutdown.announce{message = "down"} end
end`), h)
	if warnings := h.texts(luabind.KindWarning); err != nil || !reflect.DeepEqual(warnings, []string{"runs of other accounts are not seen"}) {
		t.Errorf("%q, %v", warnings, err)
	}
}
