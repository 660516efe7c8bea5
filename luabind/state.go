package luabind

import lua "github.com/yuin/gopher-lua"

// newRuntime is one that has the services and no power.
func newRuntime() *Runtime {
	rt := &Runtime{
		parked:      map[*Task]struct{}{},
		loaded:      map[string]lua.LValue{},
		handleMeta:  map[string]*lua.LTable{},
		overlay:     overlay{},
		occurrences: map[string]int{},
		bound:       make(map[*lua.LFunction]row, 256),
		kept:        map[string]any{},
	}
	rt.operate = chain(rt.base, rt.allow, rt.plan, rt.resumed, rt.journal)
	rt.root = newState()
	rt.openSandbox()
	rt.openErrors()
	rt.openModules(rt.services())
	rt.root.SetGlobal("help", rt.root.NewFunction(rt.help))
	return rt
}

// stateOptions keep a waiting task small: the stacks begin small and grow.
var stateOptions = lua.Options{
	SkipOpenLibs:        true,
	MinimizeStackMemory: true,
	CallStackSize:       512,
	RegistrySize:        128, // the least that NewState takes
	RegistryGrowStep:    64,
	RegistryMaxSize:     1 << 20,
}

// threadRegistry is where the registry of a task's or coroutine's thread
// begins; most never need more. NewThread, unlike NewState, takes any number.
const threadRegistry = 48

func newState() *lua.LState {
	state := lua.NewState(stateOptions)
	state.Options.RegistrySize = threadRegistry
	return state
}

func (rt *Runtime) newThread() *lua.LState {
	thread, _ := rt.root.NewThread()
	thread.SetContext(vmContext{rt})
	return thread
}
