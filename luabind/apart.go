package luabind

import (
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// maxNested is how many protected calls and coroutines may run inside each
// other. Each takes its share of the goroutine's stack, and Go ends the
// process where that is used up. Lua 5.1 has the same number (LUAI_MAXCCALLS).
const maxNested = 200

// apart calls a function so that what it raises comes back as an error. It
// runs on a thread of its own: where an error is raised gopher-lua closes the
// upvalues of every function that runs on the thread, also of those that go on
// behind pcall, and what a closure then assigns to a local variable of theirs
// is lost (yuin/gopher-lua#448). coroutine.running does not tell this thread.
func (rt *Runtime) apart(L *lua.LState, fn lua.LValue, args []lua.LValue) ([]lua.LValue, error) {
	if function, ok := fn.(*lua.LFunction); ok && function.IsG {
		if row, ok := rt.bound[function]; ok {
			return rt.directly(L, row, args)
		}
	}
	task := rt.current
	if err := task.nest(L); err != nil {
		return nil, err
	}
	defer task.unnest()
	running := rt.root.G.CurrentThread
	thread := rt.takeThread()
	thread.Push(fn)
	for _, arg := range args {
		thread.Push(arg)
	}
	err := thread.PCall(len(args), lua.MultRet, nil)
	rt.root.G.CurrentThread = running
	if err != nil {
		return nil, err
	}
	values := valuesOf(thread)
	rt.giveThread(thread)
	return values, nil
}

// directly calls a function of a module: no Lua runs, so nothing has to be kept
// apart, and the thread is saved. What it returns as an error is what a caller
// would have caught.
func (rt *Runtime) directly(L *lua.LState, row row, args []lua.LValue) (values []lua.LValue, err error) {
	defer func() {
		switch raised := recover().(type) {
		case nil:
		case *lua.ApiError: // by a module of somebody else's
			values, err = nil, raised
		default:
			panic(raised)
		}
	}()
	call := &Call{Runtime: rt, L: L, given: args, direct: true, Function: row.function, Module: row.module, task: rt.current}
	values, err = rt.serve(call, row.method)
	if err != nil {
		return nil, &lua.ApiError{Type: lua.ApiErrorRun, Object: rt.raised(L, err)}
	}
	return values, nil
}

// maxSpare is how many threads are kept for the next calls and tasks. Each is as
// big as the largest call that it served; a new one is ten kilobytes of which
// gopher-lua throws most away at once.
const maxSpare = 1024

func (rt *Runtime) takeThread() *lua.LState {
	last := len(rt.spare) - 1
	if last < 0 {
		return rt.newThread()
	}
	thread := rt.spare[last]
	rt.spare = rt.spare[:last]
	return thread
}

// giveThread keeps a thread whose call has returned. One in which something was
// raised is not: what ran on it may still be referred to.
func (rt *Runtime) giveThread(thread *lua.LState) {
	if len(rt.spare) < maxSpare {
		thread.SetTop(0)
		rt.spare = append(rt.spare, thread)
	}
}

// valuesOf are those on the stack of a thread.
func valuesOf(thread *lua.LState) []lua.LValue {
	values := make([]lua.LValue, thread.GetTop())
	for i := range values {
		values[i] = thread.Get(i + 1)
	}
	return values
}

// nest notes that a thread calls another one, and refuses one too many.
func (t *Task) nest(caller *lua.LState) error {
	if len(t.callers) >= maxNested {
		return primitives.Errorf(primitives.Invalid, "call", "",
			"%d protected calls and coroutines run inside each other, and the stack has no room for more", maxNested)
	}
	t.callers = append(t.callers, caller)
	return nil
}

func (t *Task) unnest() {
	t.callers[len(t.callers)-1] = nil
	t.callers = t.callers[:len(t.callers)-1]
}
