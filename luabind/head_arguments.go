package luabind

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// ArgumentType is what a word of the command line must be.
type ArgumentType string

// The types of arguments, and what a script gets for them.
const (
	ArgumentFlag    ArgumentType = "flag"    // an option without a value: true
	ArgumentString  ArgumentType = "string"  // any text: a string
	ArgumentInteger ArgumentType = "integer" // a number
	ArgumentSeconds ArgumentType = "seconds" // 90, 90s, 1h30m: a number
	ArgumentMAC     ArgumentType = "mac"     // any notation: "52:54:00:12:34:56"
	ArgumentList    ArgumentType = "list"    // all further words, or a repeated option: a list of strings
	ArgumentTargets ArgumentType = "targets" // all further words, as the TARGETs of the ctys form; request.targets are the machines
)

var argumentTypes = []string{
	string(ArgumentFlag), string(ArgumentString), string(ArgumentInteger),
	string(ArgumentSeconds), string(ArgumentMAC), string(ArgumentList), string(ArgumentTargets),
}

// rest tells whether a type takes all further words.
func (t ArgumentType) rest() bool { return t == ArgumentList || t == ArgumentTargets }

// Argument is one option or positional argument of a script.
type Argument struct {
	Name     string // its key in request.arguments
	Type     ArgumentType
	Help     string
	Value    string   // what its value is called in the usage: "IF"
	Options  []string // as typed: "-i", "--interface"; none: positional
	Required bool
	Default  any
	OneOf    []string // accepted texts, where not empty
	Min, Max float64  // of numbers, where Max > Min
}

var argumentKeys = map[string]bool{
	"name": true, "type": true, "help": true, "value": true, "option": true,
	"required": true, "default": true, "one_of": true, "min": true, "max": true,
}

func (r *headReader) argument(number int, row *lua.LTable) Argument {
	argument := Argument{
		Name: r.text(row, "name"), Type: ArgumentType(r.text(row, "type")), Help: r.text(row, "help"), Value: r.text(row, "value"),
		Required: row.RawGetString("required") == lua.LTrue,
		OneOf:    r.texts(row, "one_of"),
		Default:  fromLua(row.RawGetString("default")),
	}
	what := fmt.Sprintf("argument %d (%s)", number, argument.Name)
	r.known(row, what, argumentKeys)
	if !isName(argument.Name) {
		r.fault("argument %d has no name of letters, digits and _", number)
	}
	if argument.Type == "" {
		argument.Type = ArgumentString
	}
	if !slices.Contains(argumentTypes, string(argument.Type)) {
		r.fault("%s has the type %q; accepted: %s", what, argument.Type, strings.Join(argumentTypes, ", "))
	}
	for _, letter := range r.texts(row, "option") {
		argument.Options = append(argument.Options, dashed(strings.TrimLeft(letter, "-")))
	}
	if len(argument.Options) > 0 {
		if long := dashed(argument.Name); !slices.Contains(argument.Options, long) {
			argument.Options = append(argument.Options, long)
		}
	}
	if argument.Type == ArgumentFlag && len(argument.Options) == 0 {
		r.fault("%s is a flag and has no option; add option = \"letter\"", what)
	}
	if argument.Type == ArgumentTargets && len(argument.Options) > 0 {
		r.fault("%s are targets, which have no option before them", what)
	}
	low, isLow := row.RawGetString("min").(lua.LNumber)
	high, isHigh := row.RawGetString("max").(lua.LNumber)
	if isLow || isHigh {
		argument.Min, argument.Max = float64(low), float64(high)
		if !isHigh {
			argument.Max = maxSeconds
		}
	}
	return argument
}

// dashed is an option as it is typed.
func dashed(word string) string {
	if len(word) == 1 {
		return "-" + word
	}
	return "--" + strings.ReplaceAll(word, "_", "-")
}

// order refuses what could not be told apart on a command line.
func (r *headReader) order(arguments []Argument) {
	options, names, rest := map[string]string{}, map[string]bool{}, ""
	for _, argument := range arguments {
		if names[argument.Name] {
			r.fault("the argument %q is declared twice", argument.Name)
		}
		names[argument.Name] = true
		for _, option := range argument.Options {
			if other, taken := options[option]; taken {
				r.fault("the option %s stands for %q and for %q", option, other, argument.Name)
			}
			options[option] = argument.Name
		}
		if len(argument.Options) > 0 {
			continue
		}
		if rest != "" {
			r.fault("%q comes after %q, which takes all further words", argument.Name, rest)
		}
		if argument.Type.rest() {
			rest = argument.Name
		}
	}
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
