// Bench measures what the project promises and prints ratios of one run, so
// that the numbers mean the same on every machine. It is what make bench calls;
// it fails where a limit is passed.
//
//	go run ./tests/bench [memory] [cancel] [wakeup] [ipmi]
//
// With -profile FILE the CANCEL is also written down for go tool pprof.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
)

// benches in the order in which they run.
var benches = []struct {
	name string
	run  func() error
}{
	{"memory", benchMemory},
	{"cancel", benchCancel},
	{"wakeup", benchWakeup},
	{"ipmi", benchIPMI},
}

// processes are what this binary does when a benchmark calls it again.
var processes = map[string]func(words []string) error{
	waiterWord:  func(words []string) error { return measureWaiters(words[0], words[1]) },
	measureWord: func([]string) error { return measureHere() },
	farmWord:    serveFarm,
	clientWord:  runClient,
}

var profile = flag.String("profile", "", "write a CPU profile of cancel to this file")

// self is this binary, to be called again.
var self = "/proc/self/exe"

func main() {
	flag.Parse()
	if path, err := os.Executable(); err == nil {
		self = path
	}
	words := flag.Args()
	if len(words) > 0 && processes[words[0]] != nil {
		exit(processes[words[0]](words[1:]))
	}
	failed := false
	for _, bench := range benches {
		if len(words) > 0 && !slices.Contains(words, bench.name) {
			continue
		}
		if err := bench.run(); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", bench.name, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// promise is ratio for a promise that is not kept yet: it says so, and fails only
// beyond the limit that guards what is reached.
func promise(what string, got, promised, limit float64) error {
	err := ratio(what, got, limit)
	if got > promised {
		fmt.Printf("%58s %10s  (promised: at most %g)  NOT REACHED\n", "", "", promised)
	}
	return err
}

// ratio prints one line of the result and tells whether it is within the limit.
func ratio(what string, got, limit float64) error {
	verdict := "ok"
	if got > limit {
		verdict = "TOO MUCH"
	}
	fmt.Printf("%-58s %10.4g  (at most %g)  %s\n", what, got, limit, verdict)
	if got > limit {
		return fmt.Errorf("%s: %.4g is more than %g", what, got, limit)
	}
	return nil
}
