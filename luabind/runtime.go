// Package luabind is the membrane between Lua and the powers: a runtime that
// lets many Lua tasks wait at once, a loader whose modules a site can shadow,
// the interceptors that every use of a power goes through, and one file for
// each module that scripts see.
package luabind

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/scripts"
	"ctys/stdlib"

	lua "github.com/yuin/gopher-lua"
)

// Options say how a runtime treats its scripts. The zero value runs a script
// with all the powers it was given, from the embedded scripts only.
type Options struct {
	Authority *Authority // nil: Everything
	Plan      bool       // read everything, write nothing, say what would be written

	Journal         Recorder // nil: none
	JournalRequired error    // why there is no Journal although destructive writes need one
	// History is what this machine's part of an earlier run has left behind, which
	// this run resumes; nil: it is a new one.
	History *journal.History
	// Kept tells that the caller of this runtime keeps its events, in a simulated
	// world: intents have their witness as beside a Journal.
	Kept bool

	// Machines is what a desk keeps of machines between runs; nil: nothing, as where
	// the caller is elsewhere and keeps it.
	Machines *journal.Machines

	Inventory *inventory.Inventory // nil: empty
	Settings  map[string]any       // of the site (inventory.Site.Values); nil: the defaults

	Path    []fs.FS // where scripts and modules are looked for before the embedded ones
	Modules []*Module
	Loaded  *Loaded // by the same Path: the runtime goes on with it, if it can

	Self     string // how the caller calls this machine; empty: the desk
	MayDown  bool   // the request named this machine as one to take down (SELF)
	Yes      bool   // the operator agreed beforehand
	Seed     uint64 // of math.random
	Limits   Limits
	Stdout   io.Writer // of print; nil: standard output
	Stdin    io.Reader // of secrets that an operator pipes in; nil: standard input
	Terminal Terminal  // nil: no one to ask
	// Receipt waits until the caller has confirmed every event up to number;
	// nil: the caller is here.
	Receipt   func(ctx context.Context, number uint64, limit time.Duration) bool
	Events    func(Event)
	KeyPrefix []uint32 // of task numbers, where this runtime is nested in a simulated one
}

// Terminal is the person at the desk.
type Terminal interface {
	// Ask shows a question and returns the line typed.
	Ask(ctx context.Context, question string, hidden bool) (string, error)
}

// Limits bound what a script may use.
type Limits struct {
	Instructions int64 // between two waits of a task; 0: 500 million
	StringBytes  int   // of one string made by string.rep and table.concat; 0: 64 MiB
	Tasks        int   // alive at once; 0: 200,000
}

func (l Limits) withDefaults() Limits {
	if l.Instructions == 0 {
		l.Instructions = 500_000_000
	}
	if l.StringBytes == 0 {
		l.StringBytes = 64 << 20
	}
	if l.Tasks == 0 {
		l.Tasks = 200_000
	}
	return l
}

// virtualClock is what a simulated clock must know besides: how many tasks can
// still act, who a sleeper is, and when a context was cancelled.
type virtualClock interface {
	Add(delta int)
	Keyed(ctx context.Context, key []uint32) context.Context
	Cancelled()
}

// Runtime is one Lua state with its tasks. Its methods are for one caller at a
// time; the concurrency is inside.
type Runtime struct {
	caps      Capabilities
	options   Options
	limits    Limits
	authority Authority
	virtual   virtualClock
	root      *lua.LState
	rand      *rand.Rand
	spare     []*lua.LState // see apart
	bound     map[*lua.LFunction]row

	queue   runQueue
	workers workers
	parked  map[*Task]struct{} // guarded by queue.mu
	current *Task              // who holds the baton
	runs    uint32
	ended   chan struct{}

	modules    []*Module
	loaded     map[string]lua.LValue
	used       bool // a script has called something that is this runtime's own
	errorMeta  *lua.LTable
	handleMeta map[string]*lua.LTable
	operate    Handler

	overlay     overlay
	occurrences map[string]int
	planned     int
	writes      int
	alive       int
	kept        map[string]any
	typed       typedLine

	eventMu sync.Mutex // guards events and the order of what is written
	events  uint64
}

// New makes a runtime whose scripts have exactly the given capabilities.
func New(caps Capabilities, options Options) *Runtime {
	if caps.Clock == nil {
		caps.Clock = primitives.SystemClock{}
	}
	caps.Stack = withDrivers(caps, options.Path)
	if options.Stdout == nil {
		options.Stdout = os.Stdout
	}
	if options.Inventory == nil {
		options.Inventory = inventory.Empty()
	}
	if options.Settings == nil {
		options.Settings = inventory.DefaultSite().Values()
	}
	rt := options.Loaded.take()
	if rt == nil {
		rt = newRuntime()
	}
	rt.caps, rt.options = caps, options
	rt.limits = options.Limits.withDefaults()
	rt.rand = rand.New(rand.NewPCG(options.Seed, 0x6374_7973))
	rt.virtual, _ = caps.Clock.(virtualClock)
	rt.runs = 0
	rt.openModules(rt.powers())
	rt.openModules(options.Modules)
	rt.authorize(options.Authority)
	return rt
}

// authorize sets what the scripts may touch; nil is everything.
func (rt *Runtime) authorize(authority *Authority) {
	rt.authority = Everything
	if authority != nil {
		rt.authority = *authority
	}
	for _, module := range rt.modules {
		if module.Master {
			rt.authority.Master = append(rt.authority.Master, module.Name)
		}
	}
}

// Script is Lua source with the name that its errors show.
type Script struct {
	Name   string
	Source string
	Args   []string // what the chunk sees as ...
}

// Result is how a script ended.
type Result struct {
	Values []lua.LValue // what it returned
	Writes int          // writes that were begun
	Plan   int          // writes that a plan would do
}

// Run runs a script to its end and returns what it returned. It may be called
// again; globals and loaded modules stay. Everything that the script spawned
// has ended when it returns. Errors are *ScriptError, or *primitives.Error of
// kind invalid for a script that does not parse.
func (rt *Runtime) Run(ctx context.Context, script Script) (Result, error) {
	fn, err := rt.compile(script.Name, script.Source)
	if err != nil {
		return Result{}, err
	}
	args := make([]lua.LValue, len(script.Args))
	for i, word := range script.Args {
		args[i] = lua.LString(word)
	}
	return rt.runFunction(ctx, script.Name, fn, args)
}

// runFunction runs fn as the first task.
func (rt *Runtime) runFunction(ctx context.Context, name string, fn *lua.LFunction, args []lua.LValue) (Result, error) {
	rt.runs++
	task := &Task{
		key:  append(append([]uint32(nil), rt.options.KeyPrefix...), rt.runs),
		name: name,
		fn:   fn,
		args: args,

		mayDown: rt.options.MayDown,
	}
	rt.ended = make(chan struct{})
	writes, planned := rt.writes, rt.planned
	stop := context.AfterFunc(ctx, rt.noticeCanceled)
	defer stop()
	rt.prepare(task, ctx)
	rt.start(task)
	if rt.nested() {
		rt.count(-1)
	}
	<-rt.ended
	rt.current = nil
	result := Result{Values: task.values, Writes: rt.writes - writes, Plan: rt.planned - planned}
	return result, publicError(task.err)
}

// nested tells whether this runtime runs inside a wait of another one on the
// same simulated clock. The two then count as one that can act: the first task
// hands its place back to the wait when it ends.
func (rt *Runtime) nested() bool { return len(rt.options.KeyPrefix) > 0 }

// publicError gives callers of the package one of its documented types.
func publicError(err error) error {
	var script *ScriptError
	if err == nil || errors.As(err, &script) {
		return err
	}
	return &ScriptError{Kind: kindOf(err), Message: err.Error(), Cause: err}
}

func (rt *Runtime) count(delta int) {
	if rt.virtual != nil {
		rt.virtual.Add(delta)
	}
}

func (rt *Runtime) keyed(ctx context.Context, key []uint32) context.Context {
	if rt.virtual != nil {
		return rt.virtual.Keyed(ctx, key)
	}
	return ctx
}

// stock is where embedded scripts and modules are found.
var stock = []fs.FS{scripts.FS, stdlib.FS}
