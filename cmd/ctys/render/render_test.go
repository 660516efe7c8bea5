package render

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
)

var update = flag.Bool("update", false, "write the golden files anew")

// zero is when the run of these tests begins.
var zero = time.Date(2026, 7, 31, 14, 25, 30, 0, time.UTC)

func at(seconds float64) time.Time {
	return zero.Add(time.Duration(seconds * float64(time.Second)))
}

// cancelRun is a CANCEL with a guest that goes down, one that does not, and one
// that is still open.
func cancelRun() []luabind.Event {
	step := func(seq uint64, seconds float64, text, object, host string, outer uint64, deadline float64) luabind.Event {
		return luabind.Event{Seq: seq, At: at(seconds), Kind: luabind.KindStep, Text: text, Object: object, Host: host, Step: outer, Seconds: deadline}
	}
	return []luabind.Event{
		step(1, 0, "cancel lab01", "lab01", "", 0, 0),
		step(2, 0.2, "web1", "qemu:///system 1", "lab01", 1, 180),
		step(3, 0.2, "db1", "qemu:///system 2", "lab01", 1, 45),
		{Seq: 4, At: at(0.3), Kind: luabind.KindProgress, Step: 2, Text: "asked through the guest agent"},
		{Seq: 5, At: at(0.3), Kind: luabind.KindIntent, Step: 2, Op: "stack.shutdown", Object: "qemu:///system 1", Effect: "write",
			Data: map[string]any{"args": map[string]any{"mode": "agent"}}},
		{Seq: 6, At: at(0.4), Kind: luabind.KindNote, Step: 1, Text: "one guest has no agent"},
		step(7, 0.5, "cache1", "qemu:///system 3", "lab01", 1, 180),
		{Seq: 8, At: at(2.75), Kind: luabind.KindStepEnd, Step: 2, Text: "web1", State: "off"},
		{Seq: 9, At: at(45.2), Kind: luabind.KindStepEnd, Step: 3, Text: "db1",
			Error: &luabind.Failure{Kind: "timeout", Message: "it is still running after 45 s\x1b[2J"}},
		{Seq: 10, At: at(45.3), Kind: luabind.KindProgress, Step: 7, Text: "asked through ACPI"},
		{Seq: 11, At: at(45.4), Kind: luabind.KindWarning, Step: 1, Text: "db1 runs on"},
		{Seq: 12, At: at(45.5), Kind: luabind.KindResult, Object: "lab01", Op: "cancel", State: "on", Text: "left running",
			Data: map[string]any{"seen_by": "bmc", "guests": 3.0}, Error: &luabind.Failure{Kind: "timeout", Op: "cancel", Message: "db1 is still running"}},
		{Seq: 13, At: at(45.6), Kind: luabind.KindOutput, Text: "a line of an agent's script\n"},
	}
}

// planRun is a plan on two machines.
func planRun() []luabind.Event {
	return []luabind.Event{
		{Seq: 1, At: at(0), Kind: luabind.KindStep, Text: "lab01"},
		{Seq: 2, At: at(0), Kind: luabind.KindStep, Text: "web1", Host: "lab01", Step: 1, Seconds: 180},
		{Seq: 3, At: at(0), Kind: luabind.KindWait, Host: "lab01", Step: 2, Text: "destroy", Seconds: 180},
		{Seq: 4, At: at(0), Kind: luabind.KindPlan, Host: "lab01", Step: 2, Op: "stack.shutdown", Object: "qemu:///system 1", Effect: "write",
			Data: map[string]any{"args": map[string]any{"mode": "acpi"}, "property": "state"}},
		{Seq: 5, At: at(0), Kind: luabind.KindWait, Host: "lab01", Step: 2, Op: "stack.await", Object: "qemu:///system 1", Seconds: 180},
		{Seq: 6, At: at(0), Kind: luabind.KindStep, Text: "looks only", Host: "lab01", Step: 1},
		{Seq: 7, At: at(0), Kind: luabind.KindWait, Host: "lab01", Step: 6},
		{Seq: 8, At: at(0), Kind: luabind.KindPlan, Host: "lab01", Step: 1, Op: "shutdown.announce", Object: "machine lab01", Effect: "write",
			Data: map[string]any{"args": map[string]any{"message": "power off in 30 s"}}},
		{Seq: 9, At: at(0), Kind: luabind.KindWait, Host: "lab01", Step: 1, Seconds: 30},
		{Seq: 10, At: at(0), Kind: luabind.KindPlan, Host: "lab01", Step: 1, Op: "shutdown.apply", Object: "machine lab01", Effect: "write once",
			Data: map[string]any{"args": map[string]any{"machine": "lab01", "method": "poweroff"}, "property": "power"}},
		{Seq: 11, At: at(0), Kind: luabind.KindPlan, Op: "wol.send", Object: "mac 52:54:00:12:34:56", Effect: "write"},
		{Seq: 12, At: at(0), Kind: luabind.KindWait, Text: "give up"},
		{Seq: 13, At: at(0), Kind: luabind.KindNote, Text: "hypervisors are only read"},
		{Seq: 14, At: at(0), Kind: luabind.KindResult, Object: "lab01", State: "off", Text: "lab01 would be off"},
	}
}

// streams renders events without a terminal: what went to standard output, and
// what to standard error.
func streams(options Options, events []luabind.Event, summary *Summary) string {
	var out, err bytes.Buffer
	options.Out, options.Err, options.Start = &out, &err, zero
	r := New(options)
	for _, event := range events {
		r.Event(event)
	}
	fmt.Fprintln(r.Output(), "printed")
	r.Close()
	if summary != nil {
		r.Summary(*summary)
	}
	return "== out\n" + out.String() + "== err\n" + err.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestGolden(t *testing.T) {
	summary := &Summary{Began: zero, Ended: at(46), Who: "operator@desk", Request: "ctys -t pm -a cancel=poweroff,self lab01", Journal: "/state/jobs/1", Exit: 1}
	golden(t, "plain", streams(Options{}, cancelRun(), summary))
	golden(t, "verbose", streams(Options{Verbose: true}, cancelRun(), nil))
	golden(t, "terse", streams(Options{Format: Terse}, append(cancelRun()[11:12], luabind.Event{At: at(50), Kind: luabind.KindResult, Object: "lab02", State: "off; cold", Data: map[string]any{"seen_by": "bmc"}}), nil))
	golden(t, "table", streams(Options{Format: Table}, append(cancelRun()[11:12], luabind.Event{At: at(50), Kind: luabind.KindResult, Object: "lab02", State: "off"}), nil))
	golden(t, "plan-table", streams(Options{Format: Table, Plan: true}, append(planRun(), luabind.Event{At: at(50), Kind: luabind.KindResult, Object: "lab02", State: "off"}), nil))
	golden(t, "json", streams(Options{JSON: true}, cancelRun(), nil))
	golden(t, "json-verbose", streams(Options{JSON: true, Verbose: true}, cancelRun()[:6], nil))
	golden(t, "plan", streams(Options{Plan: true, Hints: []string{"lab01: -Z SUDO has no effect in this version"}}, planRun(), nil))
	golden(t, "plan-json", streams(Options{Plan: true, JSON: true}, planRun(), nil))
	golden(t, "plan-nothing", streams(Options{Plan: true}, planRun()[:1], nil))
}

func TestInterruptedSummary(t *testing.T) {
	summary := &Summary{Began: zero, Ended: at(20), Who: "operator@desk", Request: "ctys x", Exit: 130, Interrupted: true}
	golden(t, "interrupted", streams(Options{}, cancelRun()[:7], summary))
}

// What was stopped is named once, with the last that is known of it.
func TestStoppedSummary(t *testing.T) {
	stopped := &luabind.Failure{Kind: "canceled", Message: "create_steps.lua:229: context canceled"}
	events := []luabind.Event{
		{Seq: 1, At: at(0), Kind: luabind.KindStep, Text: "lab02", Object: "lab02"},
		{Seq: 2, At: at(0), Kind: luabind.KindStep, Text: "wake", Step: 1},
		{Seq: 3, At: at(0.1), Kind: luabind.KindStepEnd, Step: 2, Text: "wake", State: "52:54:00:12:34:56 by udp"},
		{Seq: 4, At: at(0.1), Kind: luabind.KindStep, Text: "lab02 answers", Step: 1, Seconds: 160},
		{Seq: 5, At: at(4), Kind: luabind.KindStepEnd, Step: 4, Text: "lab02 answers", Error: stopped},
		{Seq: 6, At: at(4), Kind: luabind.KindStepEnd, Step: 1, Text: "lab02", Object: "lab02", Error: stopped},
		{Seq: 7, At: at(4), Kind: luabind.KindResult, Object: "lab02", Op: "create", State: "unknown",
			Error: &luabind.Failure{Kind: "canceled", Message: "stopped before its goal was seen"}},
	}
	summary := &Summary{Began: zero, Ended: at(4), Who: "operator@desk", Request: "ctys x", Exit: 130, Interrupted: true}
	golden(t, "stopped", streams(Options{}, events, summary))
}

// What an operation got that made no sense is for who asks for it.
func TestADetailIsShownWhenAskedFor(t *testing.T) {
	events := []luabind.Event{{Seq: 1, At: at(0), Kind: luabind.KindDetail, Op: "ipmi.power_status", Object: "machine lab01", Text: "received 20 de ad"}}
	for _, options := range []Options{{}, {JSON: true}, {Plan: true}, {Verbose: true}, {JSON: true, Verbose: true}} {
		if got := streams(options, events, nil); strings.Contains(got, "received 20 de ad") != options.Verbose {
			t.Errorf("%+v: %q", options, got)
		}
	}
}

// A summary of very many is one that can still be read.
func TestSummaryOfVeryMany(t *testing.T) {
	events := cancelRun()[:1]
	for i := range uint64(200) {
		event := luabind.Event{Seq: 100 + i, At: at(1), Kind: luabind.KindResult, Object: fmt.Sprintf("bmc%03d", i), State: "on"}
		if i == 77 {
			event.State, event.Error = "unknown", &luabind.Failure{Kind: "timeout", Message: "no reply"}
		}
		events = append(events, event)
	}
	got := streams(Options{}, events, &Summary{Began: zero, Ended: at(1), Exit: 1})
	_, summary, _ := strings.Cut(got, "summary\n")
	if strings.Count(summary, "bmc") != 1 || !strings.Contains(summary, "bmc077: unknown, timeout: no reply") || !strings.Contains(summary, "199 others ended well") {
		t.Errorf("%s", summary)
	}
}

func TestSummaryOfManyThatEndedWell(t *testing.T) {
	events := cancelRun()[:1]
	for i := range uint64(200) {
		events = append(events, luabind.Event{Seq: 100 + i, At: at(1), Kind: luabind.KindResult, Object: fmt.Sprintf("bmc%03d", i), State: "on"})
	}
	if got := streams(Options{}, events, &Summary{Began: zero, Ended: at(1)}); !strings.Contains(got, "all 200 ended well") {
		t.Errorf("%s", got)
	}
}

// A step that says how many of how many are done has a bar, which fits on a
// screen of 80 columns.
func TestAStepThatCountsHasABar(t *testing.T) {
	for done, bar := range map[int]string{0: "[--------------------]", 150: "[##########----------]", 299: "[###################-]", 300: "[####################]", 999: "[####################]"} {
		r := still(Screen{})
		r.tree.take(luabind.Event{Seq: 1, At: zero, Kind: luabind.KindStep, Text: "power.status of 300 machines"})
		r.tree.take(luabind.Event{Seq: 2, At: at(1), Kind: luabind.KindProgress, Step: 1, Text: fmt.Sprintf("%d of 300 done", done), Data: map[string]any{"done": done, "total": 300.0}})
		want := fmt.Sprintf("• power.status of 300 machines  1 s  %s %d of 300 done", bar, done)
		if got := r.frame(at(1), 80, 24); len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestNoStepsNoSummary(t *testing.T) {
	got := streams(Options{}, cancelRun()[11:12], &Summary{Began: zero, Ended: at(1)})
	if strings.Contains(got, "summary") {
		t.Errorf("%s", got)
	}
}

// still is a reader with a screen on which nothing is painted by itself.
func still(screen Screen) *Reader {
	return &Reader{options: Options{Screen: &screen, Start: zero}, tree: newTree()}
}

func TestFrames(t *testing.T) {
	var b strings.Builder
	for _, size := range []struct {
		columns, rows int
		screen        Screen
	}{{0, 0, Screen{}}, {40, 3, Screen{}}, {80, 10, Screen{Colour: true}}, {30, 1, Screen{ASCII: true}}} {
		r := still(size.screen)
		for _, event := range cancelRun() {
			r.tree.take(event)
		}
		fmt.Fprintf(&b, "== %d x %d\n", size.columns, size.rows)
		for _, line := range r.frame(at(60), size.columns, size.rows) {
			b.WriteString(line + "\n")
		}
	}
	golden(t, "frames", b.String())
}

func TestFramesFit(t *testing.T) {
	r := still(Screen{})
	for i := range uint64(200) {
		r.tree.take(luabind.Event{Seq: 2*i + 1, At: at(0), Kind: luabind.KindStep, Text: "ñandú 日本 " + strings.Repeat("x", int(i)), Step: i % 3})
		if i%2 == 0 {
			r.tree.take(luabind.Event{Seq: 2*i + 2, At: at(1), Kind: luabind.KindStepEnd, Step: 2*i + 1})
		}
	}
	for _, rows := range []int{1, 2, 24, 100} {
		lines := r.frame(at(5), 40, rows)
		if len(lines) > max(rows, 2) {
			t.Errorf("%d rows: %d lines", rows, len(lines))
		}
		for _, line := range lines {
			if width := len([]rune(line)); width >= 40 {
				t.Errorf("%d rows: a line of %d characters: %q", rows, width, line)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 50 * time.Millisecond: "0.1 s", 1500 * time.Millisecond: "1.5 s", 89 * time.Second: "89 s",
		180 * time.Second: "180 s", 181500 * time.Millisecond: "181 s", 10 * time.Minute: "10 min 00 s", 3725 * time.Second: "1 h 02 min",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
