package luabind

import (
	"fmt"
	"strings"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// services are the modules that every runtime has.
func (rt *Runtime) services() []*Module {
	return []*Module{rt.taskModule(), rt.stepModule(), rt.inventoryModule(), rt.secretModule(), rt.journalModule(), rt.actionModule()}
}

// powers are the modules whose power the runtime was given.
func (rt *Runtime) powers() (modules []*Module) {
	for _, power := range []struct {
		given  bool
		module func() *Module
	}{
		{rt.caps.WOL != nil, rt.wolModule},
		{rt.caps.NIC != nil, rt.nicModule},
		{rt.caps.Bridge != nil, rt.bridgeModule},
		{rt.caps.IPMI != nil, rt.ipmiModule},
		{rt.caps.Shutdown != nil, rt.shutdownModule},
		{rt.caps.Stack != nil, rt.stackModule},
		{rt.caps.Probe != nil, rt.probeModule},
		{rt.caps.Exec != nil, rt.execModule},
		{rt.caps.Remote != nil, rt.remoteModule},
	} {
		if power.given {
			modules = append(modules, power.module())
		}
	}
	return modules
}

// help prints what a name, module, function or handle is for.
func (rt *Runtime) help(L *lua.LState) int {
	rt.used = true
	var text string
	switch v := L.Get(1).(type) {
	case *lua.LNilType:
		text = rt.Help("")
	case lua.LString:
		text = rt.Help(string(v))
	case *lua.LUserData:
		if handle, ok := v.Value.(*Handle); ok {
			text = rt.Help(handle.module + "." + handle.Type)
		}
	default:
		text = rt.Help(rt.nameOf(v))
	}
	if text == "" {
		rt.raise(L, primitives.Errorf(primitives.Invalid, "help", "", "there is no help on %s; help() lists what there is", show(L.Get(1))))
	}
	fmt.Fprint(rt.options.Stdout, text)
	return 0
}

// nameOf finds the name of a module's table or function.
func (rt *Runtime) nameOf(value lua.LValue) string {
	for _, module := range rt.modules {
		table, ok := rt.root.GetGlobal(module.Name).(*lua.LTable)
		if !ok {
			continue
		}
		if table == value {
			return module.Name
		}
		for i := range module.Functions {
			if table.RawGetString(module.Functions[i].Name) == value {
				return module.Name + "." + module.Functions[i].Name
			}
		}
	}
	return "?"
}

// Help gives the text on a module ("wol"), a function ("wol.send"), a handle
// ("stack.guest") or, with "", the list of modules. It is empty where there is
// nothing of that name.
func (rt *Runtime) Help(name string) string {
	if name == "" {
		return rt.helpModules()
	}
	moduleName, rest, hasRest := strings.Cut(name, ".")
	for _, module := range rt.modules {
		if module.Name != moduleName {
			continue
		}
		if !hasRest {
			return helpModule(module)
		}
		return helpMember(module, rest)
	}
	return ""
}

func (rt *Runtime) helpModules() string {
	var b strings.Builder
	b.WriteString("Modules; help(wol) or help(\"wol.send\") tells more:\n")
	for _, module := range rt.modules {
		fmt.Fprintf(&b, "  %-10s %s\n", module.Name, module.Help)
	}
	return b.String()
}

func helpModule(module *Module) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", module.Name, module.Help)
	for i := range module.Functions {
		function := &module.Functions[i]
		fmt.Fprintf(&b, "  %s\n      %s\n", function.usage(module.Name, false), function.Help)
	}
	for i := range module.Handles {
		b.WriteString(helpHandle(module, &module.Handles[i]))
	}
	return b.String()
}

func helpHandle(module *Module, kind *HandleType) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.%s: %s\n", module.Name, kind.Name, kind.Help)
	for i := range kind.Methods {
		method := &kind.Methods[i]
		fmt.Fprintf(&b, "  %s\n      %s\n", method.usage(kind.Name, true), method.Help)
	}
	return b.String()
}

func helpMember(module *Module, name string) string {
	for i := range module.Functions {
		if module.Functions[i].Name == name {
			return helpFunction(module.Name, &module.Functions[i], false)
		}
	}
	for i := range module.Handles {
		kind := &module.Handles[i]
		if kind.Name == name {
			return helpHandle(module, kind)
		}
		for j := range kind.Methods {
			if kind.Name+"."+kind.Methods[j].Name == name || kind.Methods[j].Name == name {
				return helpFunction(kind.Name, &kind.Methods[j], true)
			}
		}
	}
	return ""
}

func helpFunction(owner string, function *Function, method bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s\n", function.usage(owner, method), function.Help)
	for _, param := range function.Args {
		helpParam(&b, "argument", param)
	}
	for _, param := range function.Options {
		helpParam(&b, "option", param)
	}
	fmt.Fprintf(&b, "  returns %s\n", function.Result)
	if len(function.Errors) > 0 {
		kinds := make([]string, len(function.Errors))
		for i, kind := range function.Errors {
			kinds[i] = string(kind)
		}
		fmt.Fprintf(&b, "  raises kind %s\n", strings.Join(kinds, ", "))
	}
	if function.Op != nil {
		fmt.Fprintf(&b, "  effect: %s\n", function.Op.Effect)
	}
	fmt.Fprintf(&b, "  example: %s\n", function.Example)
	return b.String()
}

func helpParam(b *strings.Builder, what string, param Param) {
	fmt.Fprintf(b, "  %s %s: %s", what, param.Name, param.describe())
	if param.Default != nil {
		fmt.Fprintf(b, ", default %v", param.Default)
	}
	if param.Required {
		b.WriteString(", required")
	}
	b.WriteString("\n")
}
