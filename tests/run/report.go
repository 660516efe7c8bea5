package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// report ends the run: what failed, what was not run, the line of numbers. It
// tells whether all is well.
func (t *tally) report(w io.Writer, strict bool, allowed []allowance) bool {
	if len(t.failures) > 0 {
		fmt.Fprintf(w, "\nFailed:\n  %s\n", strings.Join(t.failures, "\n  "))
	}
	table(w, "Not run:", t.skips)
	var refused []skip
	if strict {
		refused = unlisted(t.skips, allowed)
		table(w, "Not run and not listed in "+skipsFile+", which fails CI=1:", refused)
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", t.passed, t.failed, len(t.skips))
	return t.failed == 0 && len(refused) == 0 && t.passed > 0
}

// table shows skips, those with one cause under one line.
func table(w io.Writer, title string, skips []skip) {
	if len(skips) == 0 {
		return
	}
	type cause struct{ why, how string }
	tests := map[cause][]string{}
	for _, s := range skips {
		key := cause{s.why, s.how}
		tests[key] = append(tests[key], s.name())
	}
	causes := make([]cause, 0, len(tests))
	for key := range tests {
		causes = append(causes, key)
	}
	slices.SortFunc(causes, func(a, b cause) int { return cmp.Or(cmp.Compare(a.how, b.how), cmp.Compare(a.why, b.why)) })

	fmt.Fprintf(w, "\n%s\n", title)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "  what\twhy\thow to get it")
	for _, key := range causes {
		for i, name := range tests[key] {
			if i > 0 {
				fmt.Fprintf(columns, "  %s\t\"\t\"\n", name)
				continue
			}
			fmt.Fprintf(columns, "  %s\t%s\t%s\n", name, key.why, cmp.Or(key.how, "-"))
		}
	}
	columns.Flush()
}

// name is what was not run, in the test's words, with where to find it.
func (s skip) name() string {
	name := strings.TrimSpace(s.pkg + " " + s.test)
	if s.what == "" || s.what == s.test {
		return name
	}
	return strings.TrimSpace(s.what + " (" + name + ")")
}
