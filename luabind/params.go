package luabind

import (
	"fmt"
	"math"
	"strings"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// unpack checks the arguments on the stack against the function's table.
func (c *Call) unpack() error {
	c.values = c.room[:0]
	position := 1
	if c.Self != nil {
		position = 2
	}
	for i := range c.Function.Args {
		param := &c.Function.Args[i]
		if param.Type == Rest {
			for ; position <= c.arguments(); position++ {
				c.rest = append(c.rest, c.argument(position))
			}
			return nil
		}
		if err := c.accept(param, c.argument(position), "argument"); err != nil {
			return err
		}
		position++
	}
	if len(c.Function.Options) > 0 {
		if err := c.unpackOptions(c.argument(position)); err != nil {
			return err
		}
		position++
	}
	for ; position <= c.arguments(); position++ {
		if c.argument(position) == lua.LNil {
			continue
		}
		extra := c.arguments() - position + 1
		return c.invalid("%d argument(s) too many; usage: %s", extra, c.Function.usage(c.Module, c.Self != nil))
	}
	return nil
}

func (c *Call) unpackOptions(value lua.LValue) error {
	table, ok := value.(*lua.LTable)
	if !ok {
		if value != lua.LNil {
			return c.invalid("options are a table, not a %s; usage: %s", value.Type(), c.Function.usage(c.Module, c.Self != nil))
		}
		table = c.L.NewTable()
	}
	if err := c.knownKeys(table); err != nil {
		return err
	}
	for i := range c.Function.Options {
		param := &c.Function.Options[i]
		if err := c.accept(param, table.RawGetString(param.Name), "option"); err != nil {
			return err
		}
	}
	return nil
}

// argument is what stands at a position, from 1 on.
func (c *Call) argument(position int) lua.LValue {
	switch {
	case !c.direct:
		return c.L.Get(position)
	case position <= len(c.given):
		return c.given[position-1]
	}
	return lua.LNil
}

func (c *Call) arguments() int {
	if c.direct {
		return len(c.given)
	}
	return c.L.GetTop()
}

func (c *Call) knownKeys(table *lua.LTable) error {
	unknown := lua.LValue(lua.LNil)
	for key, _ := table.Next(lua.LNil); key != lua.LNil && unknown == lua.LNil; key, _ = table.Next(key) {
		if name, ok := key.(lua.LString); !ok || !c.Function.hasOption(string(name)) {
			unknown = key
		}
	}
	if unknown == lua.LNil {
		return nil
	}
	return c.invalid("unknown option %q (accepted: %s)", unknown.String(), strings.Join(names(c.Function.Options), ", "))
}

func (f *Function) hasOption(name string) bool {
	for i := range f.Options {
		if f.Options[i].Name == name {
			return true
		}
	}
	return false
}

func names(params []Param) []string {
	list := make([]string, len(params))
	for i := range params {
		list[i] = params[i].Name
	}
	return list
}

func (c *Call) accept(param *Param, value lua.LValue, what string) error {
	if value == lua.LNil {
		if param.Required {
			return c.invalid("%s %q is missing: %s", what, param.Name, param.describe())
		}
		if param.Default != nil {
			c.set(param.Name, param.Default)
		}
		return nil
	}
	got, why := param.convert(value)
	if why != "" {
		return c.invalid("%s %q is %s, %s; accepted: %s", what, param.Name, param.show(value), why, param.describe())
	}
	c.set(param.Name, got)
	return nil
}

// convert gives the Go value, or why the value is not accepted.
func (p *Param) convert(value lua.LValue) (any, string) {
	switch p.Type {
	case String:
		if text, ok := value.(lua.LString); ok {
			return p.checkWord(string(text))
		}
	case Number, Integer, Seconds:
		if number, ok := value.(lua.LNumber); ok {
			return p.checkNumber(float64(number))
		}
	case Boolean:
		if b, ok := value.(lua.LBool); ok {
			return bool(b), ""
		}
	case MAC:
		if text, ok := value.(lua.LString); ok {
			mac, err := primitives.ParseMAC(string(text))
			if err != nil {
				return nil, "which is no MAC address"
			}
			return mac, ""
		}
	case Secret:
		if data, ok := value.(*lua.LUserData); ok {
			if secret, ok := data.Value.(primitives.Secret); ok {
				return secret, ""
			}
		}
		if value.Type() == lua.LTString {
			return nil, "and a secret is never written in the clear: make a reference with secret.file, secret.env, secret.command or secret.prompt"
		}
	case List:
		return p.convertList(value)
	case Words:
		if table, ok := value.(*lua.LTable); ok {
			return convertWords(table)
		}
	case Table:
		if table, ok := value.(*lua.LTable); ok {
			return table, ""
		}
	case Callback:
		if fn, ok := value.(*lua.LFunction); ok {
			return fn, ""
		}
	case Any:
		return value, ""
	}
	return nil, "a " + value.Type().String()
}

func (p *Param) checkWord(word string) (any, string) {
	if len(p.OneOf) == 0 {
		return word, ""
	}
	for _, known := range p.OneOf {
		if word == known {
			return word, ""
		}
	}
	return nil, "which is not known"
}

func (p *Param) checkNumber(number float64) (any, string) {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return nil, "which is no finite number"
	}
	if p.Type == Integer && number != math.Trunc(number) {
		return nil, "which is no whole number"
	}
	if p.Type == Seconds && number < 0 {
		return nil, "which is negative"
	}
	if p.Max > p.Min && (number < p.Min || number > p.Max) {
		return nil, "which is out of range"
	}
	return number, ""
}

func (p *Param) convertList(value lua.LValue) (any, string) {
	if text, ok := value.(lua.LString); ok {
		return []string{string(text)}, ""
	}
	table, ok := value.(*lua.LTable)
	if !ok {
		return nil, "a " + value.Type().String()
	}
	list := make([]string, 0, table.Len())
	for i := 1; i <= table.Len(); i++ {
		word, ok := table.RawGetInt(i).(lua.LString)
		if !ok {
			return nil, fmt.Sprintf("whose element %d is a %s", i, table.RawGetInt(i).Type())
		}
		if _, why := p.checkWord(string(word)); why != "" {
			return nil, fmt.Sprintf("whose element %d, %q, is not known", i, string(word))
		}
		list = append(list, string(word))
	}
	return list, ""
}

func convertWords(table *lua.LTable) (any, string) {
	words := map[string]string{}
	why := ""
	table.ForEach(func(key, value lua.LValue) {
		name, isName := key.(lua.LString)
		text, isText := value.(lua.LString)
		if !isName || !isText {
			why = fmt.Sprintf("whose field %s is a %s", key.String(), value.Type())
			return
		}
		words[string(name)] = string(text)
	})
	return words, why
}

// describe says what a parameter accepts.
func (p *Param) describe() string {
	text := string(p.Type)
	if len(p.OneOf) > 0 {
		text = `"` + strings.Join(p.OneOf, `", "`) + `"`
	}
	if p.Max > p.Min {
		text += fmt.Sprintf(" from %g to %g", p.Min, p.Max)
	}
	if p.Help != "" {
		text += " (" + p.Help + ")"
	}
	return text
}

// show gives the value that was not accepted, unless it may be a password.
func (p *Param) show(value lua.LValue) string {
	if p.Type == Secret {
		return "a " + value.Type().String()
	}
	return show(value)
}

func show(value lua.LValue) string {
	if text, ok := value.(lua.LString); ok {
		return fmt.Sprintf("%q", string(text))
	}
	return value.String()
}

func (c *Call) invalid(format string, args ...any) error {
	return primitives.Errorf(primitives.Invalid, c.Verb(), "", format, args...)
}

// usage is the call in one line.
func (f *Function) usage(module string, method bool) string {
	var b strings.Builder
	separator := "."
	if method {
		separator = ":"
	}
	b.WriteString(module + separator + f.Name)
	var words []string
	for _, param := range f.Args {
		words = append(words, optional(param))
	}
	if len(f.Options) > 0 {
		var keys []string
		for _, param := range f.Options {
			keys = append(keys, optional(param))
		}
		words = append(words, "{"+strings.Join(keys, ", ")+"}")
	}
	b.WriteString("(" + strings.Join(words, ", ") + ")")
	return b.String()
}

func optional(param Param) string {
	if param.Required {
		return param.Name
	}
	return "[" + param.Name + "]"
}
