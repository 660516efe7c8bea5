package policytest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"ctys/primitives"
	"ctys/primitives/exec"
)

// tools answers for the programs that scripts run, as the test recorded it. A
// program that it did not record is missing.
type tools struct {
	mu      sync.Mutex
	answers []answer
	ran     []string
}

type answer struct {
	argv   []string
	result exec.Result
}

// record has a command line give this from now on.
func (t *tools) record(argv []string, result exec.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers = slices.DeleteFunc(t.answers, func(a answer) bool { return slices.Equal(a.argv, argv) })
	t.answers = append(t.answers, answer{argv, result})
}

// Run is luabind.Exec.
func (t *tools) Run(_ context.Context, request exec.Request) (exec.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := false
	for _, a := range t.answers {
		if slices.Equal(a.argv, request.Argv) {
			t.ran = append(t.ran, strings.Join(request.Argv, " "))
			return a.result, nil
		}
		known = known || a.argv[0] == request.Argv[0]
	}
	if known {
		return exec.Result{}, primitives.Errorf(primitives.Internal, "exec.run", "", "the test has recorded no answer to: %s", strings.Join(request.Argv, " "))
	}
	return exec.Result{}, primitives.Errorf(primitives.Unsupported, "exec.run", "", "program %s is missing on this host", request.Argv[0])
}

// log gives the command lines that were run, in their order.
func (t *tools) log() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.ran)
}
