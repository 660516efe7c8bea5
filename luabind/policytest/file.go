package policytest

import (
	"cmp"
	"context"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
	"ctys/primitives/stack"

	lua "github.com/yuin/gopher-lua"
)

// Options say where a test finds scripts and how long it may take.
type Options struct {
	Path     []fs.FS          // as luabind.Options.Path
	Clock    primitives.Clock // of the tests themselves; their worlds have their own
	Deadline time.Duration    // of each function; 0: a minute
	Output   io.Writer        // of print; nil: nowhere
}

// Outcome is how one test function ended.
type Outcome struct {
	Name string
	Took time.Duration
	Err  error // nil: it passed
}

const defaultDeadline = time.Minute

// Run runs the functions of a test file in the order in which they stand there.
// The error, of kind Invalid, is for a file that cannot be loaded or has no
// tests; a test that fails is an Outcome.
func Run(ctx context.Context, name string, options Options) ([]Outcome, error) {
	source, err := luabind.Find(options.Path, name)
	if err != nil {
		return nil, err
	}
	tests, err := functions(ctx, source, options)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(tests))
	for i, test := range tests {
		begun := options.Clock.Now()
		err := test.run(ctx, source, options)
		outcomes[i] = Outcome{Name: test.name, Took: options.Clock.Now().Sub(begun), Err: err}
	}
	return outcomes, nil
}

// function is one test: a field of the table that its file returns.
type function struct {
	name     string
	from, to int // lines
}

func functions(ctx context.Context, source luabind.Source, options Options) ([]function, error) {
	runtime, end := newRuntime(options)
	defer end()
	result, err := runtime.Run(ctx, luabind.Script{Name: source.File, Source: source.Text})
	if err != nil {
		return nil, err
	}
	var table *lua.LTable
	if len(result.Values) > 0 {
		table, _ = result.Values[0].(*lua.LTable)
	}
	var list []function
	if table != nil {
		table.ForEach(func(key, value lua.LValue) {
			if fn, ok := value.(*lua.LFunction); ok && !fn.IsG {
				list = append(list, function{key.String(), fn.Proto.LineDefined, fn.Proto.LastLineDefined})
			}
		})
	}
	if len(list) == 0 {
		return nil, primitives.Errorf(primitives.Invalid, "script test", source.File, "a test file returns a table of functions, each of which is a test")
	}
	slices.SortFunc(list, func(a, b function) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.name, b.name))
	})
	return list, nil
}

// run runs the test in a runtime of its own.
func (f function) run(ctx context.Context, source luabind.Source, options Options) error {
	ctx, cancel := primitives.WithTimeout(ctx, options.Clock, cmp.Or(options.Deadline, defaultDeadline))
	defer cancel()
	runtime, end := newRuntime(options)
	defer end()
	_, err := runtime.CallScript(ctx, source.Name, f.name, nil)
	return f.expectations(source).compare(source.File, err)
}

// newRuntime makes a runtime without any power: what a test needs of the world
// it makes up with the module sim. What it made ends with close.
func newRuntime(options Options) (runtime *luabind.Runtime, close func()) {
	recorded, made := &tools{}, &worlds{path: options.Path}
	runtime = luabind.New(
		luabind.Capabilities{Clock: options.Clock, Exec: recorded, Stack: noHypervisor{}},
		luabind.Options{
			Path: options.Path, Stdout: cmp.Or[io.Writer](options.Output, io.Discard), Stdin: strings.NewReader(""),
			Inventory: inventory.Empty(), Modules: []*luabind.Module{simModule(recorded, made)},
		})
	return runtime, made.close
}

// noHypervisor is a machine on which only driver scripts find anything.
type noHypervisor struct{ luabind.Stack }

func (noHypervisor) Hypervisors(context.Context, string) ([]stack.Hypervisor, error) {
	return nil, nil
}

func (noHypervisor) List(_ context.Context, uri string) ([]stack.Guest, error) {
	return nil, primitives.Errorf(primitives.Unsupported, "stack.list", uri, "in a test of a script only its drivers find hypervisors")
}
