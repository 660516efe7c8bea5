package inventory

import (
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// SecretRef says where a password is to be found. It holds none itself, and
// nothing is opened before Resolve; it prints as "<secret>" all the same.
type SecretRef struct {
	Source string   // "file", "env", "command" or "desk"; empty means none
	Name   string   // file name, variable, or what the desk calls it
	Argv   []string // of a command
}

// IsZero tells whether no secret is set.
func (s SecretRef) IsZero() bool { return s.Source == "" }

const hidden = "<secret>"

// String never says more than that there is a secret.
func (s SecretRef) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString is String.
func (s SecretRef) GoString() string { return s.String() }

// MarshalJSON is String as JSON.
func (s SecretRef) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// secretTable is what the file sees as `secret`. Its functions make references.
func secretTable(state *lua.LState) *lua.LTable {
	t := state.NewTable()
	for _, from := range []string{"file", "env", "desk"} {
		t.RawSetString(from, state.NewFunction(func(state *lua.LState) int { return namedSecret(state, from) }))
	}
	t.RawSetString("command", state.NewFunction(commandSecret))
	missing := state.NewTable()
	missing.RawSetString("__index", state.NewFunction(func(state *lua.LState) int {
		state.RaiseError("there is no secret.%s here: only secret.file, secret.env and secret.command", state.Get(2).String())
		return 0
	}))
	state.SetMetatable(t, missing)
	return t
}

func namedSecret(state *lua.LState, from string) int {
	name, ok := state.Get(1).(lua.LString)
	if !ok || name == "" || state.GetTop() != 1 {
		state.RaiseError("secret.%s takes one text: secret.%s(\"name\")", from, from)
	}
	if from == "env" {
		primitives.HideVariable(string(name))
	}
	return pushSecret(state, SecretRef{Source: from, Name: string(name)})
}

// commandSecret takes the words of a command line one by one, or as a list.
func commandSecret(state *lua.LState) int {
	var argv []string
	word := func(v lua.LValue) {
		text, ok := v.(lua.LString)
		if !ok || text == "" {
			state.RaiseError("secret.command takes the words of a command line, each a text: secret.command(\"pass\", \"bmc/lab01\")")
		}
		argv = append(argv, string(text))
	}
	if list, ok := state.Get(1).(*lua.LTable); ok && state.GetTop() == 1 {
		for i := 1; i <= list.Len(); i++ {
			word(list.RawGetInt(i))
		}
	} else {
		for i := 1; i <= state.GetTop(); i++ {
			word(state.Get(i))
		}
	}
	if len(argv) == 0 {
		word(lua.LNil)
	}
	return pushSecret(state, SecretRef{Source: "command", Argv: argv})
}

func pushSecret(state *lua.LState, ref SecretRef) int {
	data := state.NewUserData()
	data.Value = ref
	state.Push(data)
	return 1
}
