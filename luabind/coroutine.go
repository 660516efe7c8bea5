package luabind

import (
	"runtime"
	"strings"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// openCoroutines gives each coroutine the runtime's context, so that its
// instructions count and it stops with its task (gopher-lua would derive a
// context for each and keep it), and refuses what gopher-lua would go astray
// in: to resume what has not yielded, to nest without end, and to yield out of
// a function that Go has called.
func (rt *Runtime) openCoroutines() {
	library := rt.root.GetGlobal("coroutine").(*lua.LTable)
	create := library.RawGetString("create").(*lua.LFunction).GFunction
	wrap := library.RawGetString("wrap").(*lua.LFunction).GFunction
	resume := library.RawGetString("resume").(*lua.LFunction).GFunction
	library.RawSetString("create", rt.root.NewFunction(func(L *lua.LState) int {
		withoutContext(L, func() { create(L) })
		L.CheckThread(-1).SetContext(vmContext{rt})
		return 1
	}))
	library.RawSetString("wrap", rt.root.NewFunction(func(L *lua.LState) int {
		withoutContext(L, func() { wrap(L) })
		resumeWrapped := L.CheckFunction(-1)
		thread := resumeWrapped.Upvalues[0].Value().(*lua.LState)
		thread.SetContext(vmContext{rt})
		L.Push(L.NewClosure(rt.wrapped(resumeWrapped.GFunction, thread), thread))
		return 1
	}))
	library.RawSetString("resume", rt.root.NewFunction(func(L *lua.LState) int {
		leave, err := rt.enter(L, L.CheckThread(1))
		if err != nil {
			L.Push(lua.LFalse)
			L.Push(rt.errorValue(err))
			return 2
		}
		defer leave()
		return resume(L)
	}))
	library.RawSetString("yield", rt.root.NewFunction(rt.yield))
	running := library.RawGetString("running").(*lua.LFunction).GFunction
	library.RawSetString("running", rt.root.NewFunction(func(L *lua.LState) int {
		rt.current.shown = true
		return running(L)
	}))
}

func withoutContext(L *lua.LState, fn func()) {
	ctx := L.RemoveContext()
	defer L.SetContext(ctx)
	fn()
}

// wrapped is what coroutine.wrap gives. An error ends the coroutine and passes
// through its caller; gopher-lua leaves it as one that has not yielded.
func (rt *Runtime) wrapped(resume lua.LGFunction, thread *lua.LState) lua.LGFunction {
	return func(L *lua.LState) int {
		leave, err := rt.enter(L, thread)
		if err != nil {
			rt.raise(L, err)
		}
		returned := false
		defer func() {
			if !returned {
				thread.Dead, thread.Parent = true, nil
			}
			leave()
		}()
		results := resume(L)
		returned = true
		return results
	}
}

// enter is called before a coroutine is resumed from L, and leave when it has
// yielded or ended: gopher-lua then calls L the running thread, or after an
// error the dead one. A coroutine that has a parent was resumed and has not
// yielded: it is the caller's, or has resumed it, or waits in another task.
func (rt *Runtime) enter(L, thread *lua.LState) (leave func(), err error) {
	task, running := rt.current, rt.root.G.CurrentThread
	if thread == running || thread.Parent != nil {
		return nil, primitives.Errorf(primitives.Invalid, "coroutine.resume", "",
			"the coroutine is running: it has resumed this one, or waits in another task")
	}
	if err := task.nest(L); err != nil {
		return nil, err
	}
	return func() {
		task.unnest()
		rt.root.G.CurrentThread = running
	}, nil
}

// yield hands values to whoever resumed the coroutine. Below a function that
// Go has called (of pcall, table.sort or task.deadline, a metamethod, an
// iterator) there is no way back to this place, as in Lua 5.1; gopher-lua
// would return the values to that caller and go on.
func (rt *Runtime) yield(L *lua.LState) int {
	if rt.root.G.CurrentThread != rt.current.thread && belowGo() {
		rt.raise(L, primitives.Errorf(primitives.Invalid, "coroutine.yield", "",
			"a coroutine cannot yield inside pcall, a metamethod, an iterator or another function that calls back: yield outside of it"))
	}
	return -1
}

// belowGo looks at the Go stack for who called the innermost loop over
// instructions: threadRun where the coroutine itself runs in it.
func belowGo() bool {
	var room [16]uintptr
	frames := runtime.CallersFrames(room[:runtime.Callers(2, room[:])])
	for inLoop, more := false, true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if inLoop {
			return !strings.HasSuffix(frame.Function, ".threadRun")
		}
		inLoop = strings.HasSuffix(frame.Function, ".mainLoopWithContext")
	}
	return true
}
