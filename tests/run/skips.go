package main

import (
	"fmt"
	"os"
	"strings"
)

// skip is a test that was not run.
type skip struct {
	pkg, test      string
	what, why, how string
}

// newSkip reads what a test said when it was skipped: a line "NEED what | why |
// how" (package testneed), or any words.
func newSkip(pkg, test, output string) skip {
	s := skip{pkg: pkg, test: test, what: test, why: lastWords(output)}
	_, need, found := strings.Cut(output, "NEED ")
	if !found {
		return s
	}
	need, _, _ = strings.Cut(need, "\n")
	parts := strings.SplitN(need, " | ", 3)
	for i, field := range []*string{&s.what, &s.why, &s.how} {
		if i < len(parts) {
			*field = strings.TrimSpace(parts[i])
		}
	}
	return s
}

// lastWords is the last line that is the test's own.
func lastWords(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			return line
		}
	}
	return "it did not say why"
}

// allowance is a line of the list of skips that continuous integration accepts.
type allowance struct{ pkg, test, words, reason string }

func readAllowed(file string) ([]allowance, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []allowance
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		a, err := parseAllowance(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		list = append(list, a)
	}
	return list, nil
}

func parseAllowance(line string) (allowance, error) {
	parts := strings.SplitN(line, "|", 3)
	names := strings.Fields(parts[0])
	if len(parts) != 3 || len(names) != 2 || strings.TrimSpace(parts[1]) == "" || strings.TrimSpace(parts[2]) == "" {
		return allowance{}, fmt.Errorf("want PACKAGE TEST | words of the reason | why it may be left out: %q", line)
	}
	return allowance{names[0], names[1], strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])}, nil
}

func (a allowance) covers(s skip) bool {
	test := a.test == "*" || a.test == s.test || strings.HasPrefix(s.test, a.test+"/")
	return a.pkg == s.pkg && test && strings.Contains(s.why, a.words)
}

// unlisted gives the skips that no line of the list covers.
func unlisted(skips []skip, allowed []allowance) (rest []skip) {
next:
	for _, s := range skips {
		for _, a := range allowed {
			if a.covers(s) {
				continue next
			}
		}
		rest = append(rest, s)
	}
	return rest
}
