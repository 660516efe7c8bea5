package luabind

import (
	"context"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// Module is one global of Lua: a power or a service. Its table of functions is
// the one source of argument checks, help, and editor annotations, and of what
// the interceptors see of each call.
type Module struct {
	Name      string
	Help      string // one sentence
	Master    bool   // holding it is as good as holding everything (remote, exec)
	Functions []Function
	Handles   []HandleType
}

// HandleType is a kind of reference that a module gives to scripts.
type HandleType struct {
	Name    string // "bmc", "guest"
	Help    string
	Methods []Function
}

// Function is one row of a module's table.
type Function struct {
	Name    string
	Help    string
	Args    []Param // by position
	Options []Param // by key, in a table that comes after the positional ones
	Result  string  // what it returns, in words, with units
	Errors  []primitives.Kind
	Example string

	// Op makes the call an operation that goes through the interceptors. A
	// function without one acts on the runtime only and is a service.
	Op *Operation
	// Return turns what Op.Do gave into Lua values; nil means the general form:
	// records as tables with snake_case keys, durations in seconds.
	Return func(c *Call, result any) lua.LValue
	// Check finds what is wrong between arguments that are each right on their
	// own; nil: nothing can be.
	Check func(c *Call) error
	// Compose carries the call out by operations of its own, each of which goes
	// through the interceptors, and tells whether it did; where it did not, Op
	// is the call. nil: Op always is.
	Compose func(c *Call) (result any, composed bool, err error)
	// Run is the body of a service.
	Run func(c *Call) ([]lua.LValue, error)
}

// Type is what a parameter accepts.
type Type string

// The types of parameters.
const (
	String   Type = "string"
	Number   Type = "number"
	Integer  Type = "integer"
	Boolean  Type = "boolean"
	Seconds  Type = "seconds" // a number, fractions allowed
	MAC      Type = "MAC address"
	Secret   Type = "secret"
	List     Type = "list of strings"
	Words    Type = "table of strings by name"
	Table    Type = "table"
	Callback Type = "function"
	Any      Type = "any"
	Rest     Type = "any…" // all further positional arguments
)

// Param is one argument or option.
type Param struct {
	Name     string
	Type     Type
	Help     string
	Required bool
	Default  any
	Min, Max float64  // numbers, where Max > Min
	OneOf    []string // strings, where not empty
}

// Effect says what a call does to the world.
type Effect string

// The effects. A write may be decided anew after an interruption; a write once
// is never repeated.
const (
	Read      Effect = "read"
	Write     Effect = "write"
	WriteOnce Effect = "write once"
)

// Operation is what the interceptors need to know of a call, and its base.
type Operation struct {
	Effect Effect
	// Object is the stable identity of what the call acts on.
	Object func(c *Call) string
	// Within names what carries the object; nil: nothing.
	Within func(c *Call) []string
	// Property is what a read asks of the object, or a write leaves on it.
	Property string
	// Leaves is the property's value after a write, as a later read would see
	// it; nil: the write leaves nothing that can be read.
	Leaves func(c *Call) any
	// Answer turns a left value into the result of a read; nil: the value is
	// the result.
	Answer func(c *Call, left any) any
	// Settled tells whether a left value already answers a read that waits;
	// nil: always.
	Settled func(c *Call, left any) bool
	// Peek is what a plan does in place of a read that waits; nil: Do.
	Peek func(ctx context.Context, c *Call) (any, error)
	// Planned is the result of a write that was only planned; nil: nothing.
	Planned func(c *Call) any
	// Witness fetches what tells afterwards whether a write once happened:
	// something that changes when it does. nil: nothing does.
	Witness func(ctx context.Context, c *Call) string
	// Destructive writes are on disk in the journal before they begin.
	Destructive bool
	// Do is the base: it runs without the baton, must honour ctx, and must not
	// touch Lua values.
	Do func(ctx context.Context, c *Call) (any, error)
}

// Call is one call of a Function, its arguments checked.
type Call struct {
	Runtime  *Runtime
	L        *lua.LState
	Function *Function
	Module   string
	Self     *Handle
	values   []argument
	rest     []lua.LValue
	room     [6]argument // of values, for all but the longest lists of arguments
	task     *Task       // that calls

	given  []lua.LValue // arguments of a direct call; those of others are on the stack of L
	direct bool
}

// argument is a parameter that was given or has a default.
type argument struct {
	name  string
	value any
}

// get gives an argument's value, nil where there is none: a call has so few
// that looking through them is faster than a map.
func (c *Call) get(name string) any {
	for i := range c.values {
		if c.values[i].name == name {
			return c.values[i].value
		}
	}
	return nil
}

func (c *Call) set(name string, value any) {
	for i := range c.values {
		if c.values[i].name == name {
			c.values[i].value = value
			return
		}
	}
	c.values = append(c.values, argument{name, value})
}

// Has tells whether an argument was given or has a default.
func (c *Call) Has(name string) bool { return c.get(name) != nil }

// String gives a string argument, or "".
func (c *Call) String(name string) string { s, _ := c.get(name).(string); return s }

// Number gives a number or a duration in seconds, or 0.
func (c *Call) Number(name string) float64 { n, _ := c.get(name).(float64); return n }

// Int gives an integer argument, or 0.
func (c *Call) Int(name string) int { return int(c.Number(name)) }

// Bool gives a boolean argument, or false.
func (c *Call) Bool(name string) bool { b, _ := c.get(name).(bool); return b }

// MAC gives a MAC address argument, or the zero address.
func (c *Call) MAC(name string) primitives.MAC { m, _ := c.get(name).(primitives.MAC); return m }

// Secret gives a secret argument; its zero value where none was given.
func (c *Call) Secret(name string) primitives.Secret {
	s, _ := c.get(name).(primitives.Secret)
	return s
}

// Strings gives a list argument.
func (c *Call) Strings(name string) []string { l, _ := c.get(name).([]string); return l }

// Words gives a table of strings by name, or nil.
func (c *Call) Words(name string) map[string]string {
	words, _ := c.get(name).(map[string]string)
	return words
}

// Lua gives an argument of type Table, Callback or Any as Lua has it, else nil.
func (c *Call) Lua(name string) lua.LValue {
	if v, ok := c.get(name).(lua.LValue); ok {
		return v
	}
	return lua.LNil
}

// Table gives a table argument, or nil.
func (c *Call) Table(name string) *lua.LTable { t, _ := c.get(name).(*lua.LTable); return t }

// Callback gives a function argument, or nil.
func (c *Call) Callback(name string) *lua.LFunction {
	f, _ := c.get(name).(*lua.LFunction)
	return f
}

// Verb is the call's full name: "stack.shutdown".
func (c *Call) Verb() string { return c.Module + "." + c.Function.Name }
