package luabind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/wol"
)

// recorder is a journal in memory.
type recorder struct {
	entries []Event
	synced  uint64
	fail    error
}

func (r *recorder) Append(event Event) (uint64, error) {
	event.Seq = uint64(len(r.entries) + 1)
	r.entries = append(r.entries, event)
	return event.Seq, r.fail
}

func (r *recorder) Sync(_ context.Context, number uint64) error {
	r.synced = max(r.synced, number)
	return r.fail
}

// bulb is a power with one property, in the three effects.
func bulb(done *[]string, journal *recorder) *Module {
	state := "off"
	row := func(name string, effect Effect, leaves string) Function {
		return Function{
			Name: name, Help: "A row.", Result: "the state", Example: "bulb." + name + "()",
			Op: &Operation{
				Effect: effect, Property: PropertyPower, Destructive: name == "smash",
				Object: func(*Call) string { return "bulb" },
				Leaves: func(*Call) any { return leaves },
				Do: func(context.Context, *Call) (any, error) {
					if journal != nil && name == "smash" && journal.synced < uint64(len(journal.entries)) {
						return nil, errors.New("begun before the intent was on disk")
					}
					*done = append(*done, name)
					if effect != Read {
						state = leaves
					}
					return state, nil
				},
			},
		}
	}
	return &Module{Name: "bulb", Help: "A bulb.", Functions: []Function{
		row("state", Read, ""), row("light", Write, "on"), row("smash", WriteOnce, "off"),
	}}
}

func runBulb(t *testing.T, options Options, source string) ([]string, []string, error) {
	t.Helper()
	var done []string
	journal, _ := options.Journal.(*recorder)
	options.Modules = []*Module{bulb(&done, journal)}
	rt, _ := virtual(t, options)
	result, err := rt.Run(context.Background(), Script{Name: "bulb.lua", Source: source})
	words := []string{}
	for _, value := range result.Values {
		words = append(words, Format(value))
	}
	return words, done, err
}

func TestPlanWritesNothingAndAnswersFromWhatItWouldHaveLeft(t *testing.T) {
	var events []Event
	words, done, err := runBulb(t, Options{Plan: true, Events: func(e Event) { events = append(events, e) }},
		`local before = bulb.state() bulb.light() local lit = bulb.state() bulb.smash() return before, lit, bulb.state()`)
	if err != nil || fmt.Sprint(words) != "[off on off]" || fmt.Sprint(done) != "[state]" {
		t.Errorf("read %v, done %v, %v", words, done, err)
	}
	if len(events) != 2 || events[0].Kind != KindPlan || events[0].Op != "bulb.light" || events[1].Effect != "write once" {
		t.Errorf("events %+v", events)
	}
}

func TestJournalHasTheIntentOnDiskBeforeADestructiveWrite(t *testing.T) {
	journal := &recorder{}
	_, done, err := runBulb(t, Options{Journal: journal}, `bulb.light() bulb.smash() bulb.smash()`)
	if err != nil || fmt.Sprint(done) != "[light smash smash]" {
		t.Fatalf("done %v, %v", done, err)
	}
	var kinds, keys []string
	for _, entry := range journal.entries {
		kinds = append(kinds, string(entry.Kind))
		keys = append(keys, entry.Key)
	}
	if strings.Join(kinds, " ") != "intent outcome intent outcome intent outcome" {
		t.Errorf("kinds %v", kinds)
	}
	if keys[2] != keys[3] || keys[2] == keys[4] {
		t.Errorf("keys %v: intent and outcome share one, a second occurrence has another", keys)
	}
}

func TestAFailingJournalStopsWrites(t *testing.T) {
	_, done, err := runBulb(t, Options{Journal: &recorder{fail: errors.New("disk full")}}, `bulb.state() bulb.smash()`)
	if err == nil || !strings.Contains(err.Error(), "disk full") || fmt.Sprint(done) != "[state]" {
		t.Errorf("done %v, %v", done, err)
	}
}

func TestWithoutAJournalNothingIsTakenAway(t *testing.T) {
	_, done, err := runBulb(t, Options{JournalRequired: errors.New("no state folder")}, `bulb.light() bulb.smash()`)
	var script *ScriptError
	if !errors.As(err, &script) || script.Kind != primitives.Denied || fmt.Sprint(done) != "[light]" {
		t.Errorf("done %v, %v", done, err)
	}
}

func TestAuthority(t *testing.T) {
	tests := []struct {
		authority Authority
		source    string
		want      string // "" is allowed
	}{
		{Everything, `bulb.smash()`, ""},
		{Authority{}, `bulb.state()`, `"bulb.state"`},
		{Authority{Reads: true}, `bulb.state()`, ""},
		{Authority{Reads: true}, `bulb.light()`, `"bulb.light"`},
		{Authority{Touch: []string{"bulb"}}, `bulb.smash()`, ""},
		{Authority{Touch: []string{"bulb.read"}}, `bulb.state()`, ""},
		{Authority{Touch: []string{"bulb.read"}}, `bulb.light()`, `"bulb.light"`},
		{Authority{Touch: []string{"bulb.light"}}, `bulb.light()`, ""},
		{Authority{Touch: []string{"bulb.light"}}, `bulb.smash()`, `"bulb.smash"`},
		{Authority{Touch: []string{"bul"}}, `bulb.state()`, `"bulb.state"`},
	}
	for _, test := range tests {
		_, _, err := runBulb(t, Options{Authority: &test.authority}, test.source)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v %s: %v", test.authority, test.source, err)
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	tests := []struct{ source, want string }{
		{`task.sleep()`, `argument "seconds" is missing`},
		{`task.sleep("1")`, `a string; accepted: seconds`},
		{`task.sleep(0/0)`, "no finite number"},
		{`task.map({}, print, {limt = 1})`, `unknown option "limt" (accepted: limit, patience)`},
		{`task.map({}, print, {limit = 0})`, "out of range"},
		{`task.map({}, print, {limit = 1.5})`, "no whole number"},
		{`task.map({}, print, 3)`, "options are a table"},
		{`task.map({}, print, {}, 4)`, "1 argument(s) too many"},
		{`step.result("x", {error = 1, op = 2})`, `option "op" is 2, a number`},
		{`inventory.expand({"a", 1})`, "element 2 is a number"},
		{`ipmi = ipmi or {}; inventory.machine({})`, `argument "name" is table`},
		{`local t = task.spawn(function() end); t.wait()`, "with a colon"},
		{`local t = task.spawn(function() end); t.name = 1`, "read only"},
	}
	for _, test := range tests {
		rt, _ := virtual(t, Options{})
		_, err := rt.Run(context.Background(), Script{Name: "bad.lua", Source: test.source})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "bad.lua:1:") {
			t.Errorf("%s: %v, want %q", test.source, err, test.want)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Setenv("CTYS_TEST_SECRET", "open-sesame")
	var out strings.Builder
	rt, _ := virtual(t, Options{Stdout: &out})
	got := run(t, rt, `local s = secret.env("CTYS_TEST_SECRET"); print(s, tostring(s)); return s, {password = s}, getmetatable(s)`)
	if text := out.String() + fmt.Sprint(got); strings.Contains(text, "sesame") || !strings.Contains(text, "<secret>") {
		t.Errorf("shown: %s", text)
	}
}

// Every public row says what it does, what it returns and how it is called.
func TestEveryRowIsDocumented(t *testing.T) {
	rt, _ := virtual(t, Options{})
	for _, module := range rt.modules {
		rows := append([]Function(nil), module.Functions...)
		for _, kind := range module.Handles {
			rows = append(rows, kind.Methods...)
		}
		for _, row := range rows {
			if row.Help == "" || row.Result == "" || row.Example == "" {
				t.Errorf("%s.%s lacks help, result or example", module.Name, row.Name)
			}
			if _, err := compileSource("example.lua", row.Example); err != nil {
				t.Errorf("%s.%s: the example does not parse: %v", module.Name, row.Name, err)
			}
			if rt.Help(module.Name+"."+row.Name) == "" {
				t.Errorf("%s.%s: help() does not find it", module.Name, row.Name)
			}
		}
	}
}

func TestSandbox(t *testing.T) {
	rt, _ := virtual(t, Options{})
	for _, name := range []string{"io", "os", "debug", "package", "dofile", "loadfile", "load", "getfenv", "setfenv", "newproxy", "collectgarbage", "string.dump", "math.randomseed"} {
		if got := run(t, rt, "return "+name); got[0] != "nil" {
			t.Errorf("%s is there: %s", name, got[0])
		}
	}
	for _, source := range []string{`string.rep("x", 1e9)`, `local t = {} for i = 1, 100 do t[i] = string.rep("x", 1e6) end return table.concat(t)`} {
		if _, err := rt.Run(context.Background(), Script{Name: "big.lua", Source: source}); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestAPasswordInTheWrongPlaceIsNotRepeated(t *testing.T) {
	rt := New(Capabilities{WOL: wol.New(), IPMI: struct{ IPMI }{}}, Options{})
	for _, source := range []string{
		`wol.send{mac = "525400123456", address = "127.0.0.1", password = "hunter2"}`,
		`wol.password_ok("hunter2")`,
		`ipmi.connect{host = "127.0.0.1", user = "admin", password = "hunter2"}`,
		`secret.file("hunter2", {typed = true}) wol.password_ok("hunter2")`,
	} {
		_, err := rt.Run(context.Background(), Script{Name: "clear.lua", Source: source})
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "secret.file") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
