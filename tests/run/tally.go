package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// tally is what the tests have come to so far.
type tally struct {
	passed, failed int
	failures       []string
	skips          []skip

	running map[string]time.Time          // tests under way
	output  map[string]*strings.Builder   // by package, and by package and test
	done    map[string]map[string]outcome // by package, then test
}

type outcome string

// event is a line of go test -json; see go doc test2json.
type event struct {
	Time       time.Time
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Elapsed    float64
	Output     string
}

// silence is after how long a word on what is running is due.
const silence = 30 * time.Second

func (t *tally) run(ctx context.Context, s stage) error {
	if len(s.packages) == 0 {
		return nil
	}
	t.begin()
	fmt.Printf("\n%s: go test %s, %d packages\n", s.title, strings.Join(s.flags, " "), len(s.packages))
	args := append(append([]string{"test", "-json"}, s.flags...), s.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // go test then stops its test programs
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	failed := t.failed
	t.read(out)
	if err := cmd.Wait(); err != nil && t.failed == failed {
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}

func (t *tally) begin() {
	t.running = map[string]time.Time{}
	t.output = map[string]*strings.Builder{}
	t.done = map[string]map[string]outcome{}
}

// read follows the events to their end, and says now and then what runs.
func (t *tally) read(out io.Reader) {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			lines <- append([]byte(nil), scanner.Bytes()...)
		}
	}()
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				fmt.Printf("%s\n", line)
				continue
			}
			if t.take(e) {
				quiet.Reset(silence)
			}
		case <-quiet.C:
			t.tellRunning()
			quiet.Reset(silence)
		}
	}
}

// take counts one event, and tells whether it printed something.
func (t *tally) take(e event) bool {
	id := e.Package + " " + e.Test
	switch e.Action {
	case "run":
		t.running[id] = e.Time
	case "output", "build-output":
		t.collect(e)
	case "pass", "fail", "skip":
		delete(t.running, id)
		if e.Test == "" {
			t.endPackage(e)
			return true
		}
		t.endTest(e)
		return e.Action == "fail"
	}
	return false
}

func (t *tally) collect(e event) {
	id := e.Package + " " + e.Test
	if e.Package == "" {
		id = e.ImportPath + " "
	}
	if t.output[id] == nil {
		t.output[id] = &strings.Builder{}
	}
	t.output[id].WriteString(e.Output)
}

func (t *tally) said(id string) string {
	if b := t.output[id]; b != nil {
		return b.String()
	}
	return ""
}

func (t *tally) endTest(e event) {
	id := e.Package + " " + e.Test
	if t.done[e.Package] == nil {
		t.done[e.Package] = map[string]outcome{}
	}
	t.done[e.Package][e.Test] = outcome(e.Action)
	switch e.Action {
	case "fail":
		fmt.Printf("FAIL  %s %s  %.1f s\n%s", e.Package, e.Test, e.Elapsed, indent(t.said(id)))
	case "skip":
		t.skips = append(t.skips, newSkip(e.Package, e.Test, t.said(id)))
	}
	delete(t.output, id)
}

// endPackage counts the package's tests. One with subtests is counted by them,
// unless it failed where none of them did.
func (t *tally) endPackage(e event) {
	counts := map[outcome]int{}
	tests := t.done[e.Package]
	for name, result := range tests {
		if counted(tests, name, result) {
			counts[result]++
			if result == "fail" {
				t.failures = append(t.failures, e.Package+" "+name)
			}
		}
	}
	if e.Action == "fail" && counts["fail"] == 0 {
		counts["fail"]++
		t.failures = append(t.failures, e.Package)
		t.printPackage(e.Package)
	}
	t.passed += counts["pass"]
	t.failed += counts["fail"]
	word := "ok"
	if e.Action == "fail" {
		word = "FAIL"
	}
	fmt.Printf("%-5s %-32s %4d passed %3d failed %3d skipped %7.1f s\n", word, e.Package, counts["pass"], counts["fail"], counts["skip"], e.Elapsed)
}

// printPackage shows why a package failed outside of its tests: it was not
// built, or its program ended early.
func (t *tally) printPackage(name string) {
	for id, b := range t.output {
		first, _, _ := strings.Cut(id, " ")
		if first == name {
			fmt.Print(indent(b.String()))
		}
	}
}

func counted(tests map[string]outcome, name string, result outcome) bool {
	for other, its := range tests {
		if strings.HasPrefix(other, name+"/") && (result != "fail" || its == "fail") {
			return false
		}
	}
	return true
}

func (t *tally) tellRunning() {
	for id, began := range t.running {
		fmt.Printf("      … %s, for %s\n", id, time.Since(began).Round(time.Second))
	}
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
