package main

import (
	"strings"
	"testing"
)

const (
	needed  = "=== RUN   TestA\n    x_test.go:9: NEED TestA | program etherwake is missing | make test-deps (package etherwake)\n--- SKIP: TestA (0.00s)\n"
	unasked = "=== RUN   TestB\n    x_test.go:9: this kernel has no IPv6\n--- SKIP: TestB (0.00s)\n"
)

func TestSkipIsReadFromItsLine(t *testing.T) {
	s := newSkip("ctys/x", "TestA", needed)
	if s.what != "TestA" || s.why != "program etherwake is missing" || s.how != "make test-deps (package etherwake)" {
		t.Errorf("got %+v", s)
	}
	if s := newSkip("ctys/x", "TestB", unasked); !strings.Contains(s.why, "no IPv6") || s.how != "" {
		t.Errorf("got %+v", s)
	}
}

func TestListOfSkipsCoversReasonAndSubtests(t *testing.T) {
	a, err := parseAllowance("ctys/x TestA | etherwake is missing | not in every image")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pkg, test, why string
		want           bool
	}{
		{"ctys/x", "TestA", "program etherwake is missing", true},
		{"ctys/x", "TestA/sub", "program etherwake is missing", true},
		{"ctys/x", "TestAnother", "program etherwake is missing", false},
		{"ctys/y", "TestA", "program etherwake is missing", false},
		{"ctys/x", "TestA", "needs root", false},
	} {
		if got := a.covers(skip{pkg: c.pkg, test: c.test, why: c.why}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for _, bad := range []string{"ctys/x TestA", "ctys/x | words | reason", "ctys/x TestA | | reason", "ctys/x TestA | words |"} {
		if _, err := parseAllowance(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// play gives a tally the events of one package.
func play(events ...event) *tally {
	t := &tally{}
	t.begin()
	for _, e := range events {
		e.Package = "ctys/x"
		t.take(e)
	}
	return t
}

func TestCountsLeavesAndEndsWithTheLineOfNumbers(t *testing.T) {
	tally := play(
		event{Action: "pass", Test: "TestA/one"}, event{Action: "pass", Test: "TestA/two"}, event{Action: "pass", Test: "TestA"},
		event{Action: "output", Test: "TestB", Output: needed}, event{Action: "skip", Test: "TestB"},
		event{Action: "fail", Test: "TestC/one"}, event{Action: "fail", Test: "TestC"},
		event{Action: "fail"},
	)
	var out strings.Builder
	if tally.report(&out, false, nil) {
		t.Error("a failed test was taken for success")
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; last != "2 passed, 1 failed, 1 skipped" {
		t.Errorf("last line %q", last)
	}
	for _, words := range []string{"ctys/x TestC/one", "program etherwake is missing", "make test-deps (package etherwake)"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("%q is missing in\n%s", words, out.String())
		}
	}
}

func TestPackageThatIsNotBuiltIsAFailure(t *testing.T) {
	if tally := play(event{Action: "fail"}); tally.failed != 1 {
		t.Errorf("%d failed", tally.failed)
	}
}

func TestUnlistedSkipFailsOnlyInCI(t *testing.T) {
	tally := play(
		event{Action: "pass", Test: "TestA"},
		event{Action: "output", Test: "TestB", Output: needed}, event{Action: "skip", Test: "TestB"},
		event{Action: "pass"},
	)
	var out strings.Builder
	if !tally.report(&out, false, nil) {
		t.Error("outside of CI a skip failed the run")
	}
	if tally.report(&out, true, nil) {
		t.Error("in CI an unlisted skip was accepted")
	}
	if !tally.report(&out, true, []allowance{{"ctys/x", "*", "etherwake", "for the test"}}) {
		t.Error("in CI a listed skip was refused")
	}
}
