package luabind

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"ctys/primitives"

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

// Owns tells whether an option, as typed, is one of the script's own.
func (h Head) Owns(option string) bool { return h.option(option) != nil }

func (h Head) option(typed string) *Argument {
	for i := range h.Arguments {
		if slices.Contains(h.Arguments[i].Options, typed) {
			return &h.Arguments[i]
		}
	}
	return nil
}

// Targets gives the name of the argument that takes TARGETs, if there is one.
func (h Head) Targets() (name string, ok bool) {
	for _, argument := range h.Arguments {
		if argument.Type == ArgumentTargets {
			return argument.Name, true
		}
	}
	return "", false
}

// Parse reads the words behind the script's name into what the script gets as
// request.arguments: plain data by the arguments' names. Options may stand
// anywhere before "--". An error is of kind invalid and quotes the word.
func (h Head) Parse(argv []string) (map[string]any, error) {
	p := &argumentParser{head: h, values: map[string]any{}}
	for len(argv) > 0 && p.err == nil {
		word := argv[0]
		argv = argv[1:]
		switch {
		case word == "--":
			p.words, argv = append(p.words, argv...), nil
		case strings.HasPrefix(word, "--"):
			argv = p.long(word, argv)
		case len(word) > 1 && word[0] == '-':
			argv = p.cluster(word, argv)
		default:
			p.words = append(p.words, word)
		}
	}
	p.positional()
	p.complete()
	return p.values, p.err
}

type argumentParser struct {
	head   Head
	values map[string]any
	words  []string
	err    error
}

func (p *argumentParser) fault(format string, args ...any) {
	if p.err == nil {
		p.err = primitives.Errorf(primitives.Invalid, p.head.Name, "", format, args...)
	}
}

func (p *argumentParser) long(word string, rest []string) []string {
	name, value, attached := strings.Cut(word, "=")
	argument := p.head.option(name)
	if argument == nil {
		p.fault("there is no option %s; usage: %s", name, p.head.Line())
		return nil
	}
	if argument.Type == ArgumentFlag {
		if attached {
			p.fault("%s takes no value", name)
		}
		p.values[argument.Name] = true
		return rest
	}
	if !attached {
		value, rest = p.value(argument, name, rest)
	}
	p.take(argument, name, value)
	return rest
}

// cluster reads letters that stand together; the last one may take a value.
func (p *argumentParser) cluster(word string, rest []string) []string {
	for i, letter := range word[1:] {
		typed := "-" + string(letter)
		argument := p.head.option(typed)
		if argument == nil {
			p.fault("there is no option %s; usage: %s", typed, p.head.Line())
			return nil
		}
		if argument.Type == ArgumentFlag {
			p.values[argument.Name] = true
			continue
		}
		value := word[1+i+len(string(letter)):]
		if value == "" {
			value, rest = p.value(argument, typed, rest)
		}
		p.take(argument, typed, value)
		return rest
	}
	return rest
}

func (p *argumentParser) value(argument *Argument, typed string, rest []string) (string, []string) {
	if len(rest) == 0 {
		p.fault("the value of %s is missing: %s", typed, argument.describe())
		return "", nil
	}
	return rest[0], rest[1:]
}

// take checks one value and keeps it.
func (p *argumentParser) take(argument *Argument, typed, text string) {
	if p.err != nil {
		return
	}
	value, ok := argument.convert(text)
	if !ok {
		p.fault("%s is %q; accepted: %s", typed, text, argument.describe())
		return
	}
	if argument.Type.rest() {
		list, _ := p.values[argument.Name].([]any)
		value = append(list, value)
	}
	p.values[argument.Name] = value
}

func (p *argumentParser) positional() {
	for i := range p.head.Arguments {
		argument := &p.head.Arguments[i]
		if len(argument.Options) > 0 {
			continue
		}
		for len(p.words) > 0 {
			p.take(argument, strings.ToUpper(argument.Name), p.words[0])
			p.words = p.words[1:]
			if !argument.Type.rest() {
				break
			}
		}
	}
	if len(p.words) > 0 {
		p.fault("%q is one argument too many; usage: %s", p.words[0], p.head.Line())
	}
}

func (p *argumentParser) complete() {
	for i := range p.head.Arguments {
		argument := &p.head.Arguments[i]
		if _, given := p.values[argument.Name]; given {
			continue
		}
		if argument.Required {
			p.fault("%s is missing; usage: %s", argument.typed(), p.head.Line())
		}
		if argument.Default != nil {
			p.values[argument.Name] = argument.Default
		}
	}
}

// convert gives the value that a script gets for a text.
func (a *Argument) convert(text string) (any, bool) {
	if strings.ContainsRune(text, 0) {
		return nil, false
	}
	switch a.Type {
	case ArgumentInteger:
		n, err := strconv.ParseInt(text, 10, 53)
		return float64(n), err == nil && a.inRange(float64(n))
	case ArgumentSeconds:
		n, ok := parseSeconds(text)
		return n, ok && a.inRange(n)
	case ArgumentMAC:
		mac, err := primitives.ParseMAC(text)
		return mac.String(), err == nil
	}
	return text, len(a.OneOf) == 0 || slices.Contains(a.OneOf, text)
}

func (a *Argument) inRange(n float64) bool { return a.Max <= a.Min || n >= a.Min && n <= a.Max }

// parseSeconds reads a number of seconds or Go's notation (1h30m).
func parseSeconds(text string) (float64, bool) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n, n >= 0 && n <= maxSeconds
	}
	d, err := time.ParseDuration(text)
	return d.Seconds(), err == nil && d >= 0
}

// typed is how the argument is called on the command line.
func (a *Argument) typed() string {
	if len(a.Options) > 0 {
		return a.Options[0]
	}
	return strings.ToUpper(a.Name)
}

// valueName is what the usage calls the argument's value.
func (a *Argument) valueName() string {
	if a.Value != "" {
		return a.Value
	}
	return strings.ToUpper(a.Name)
}

func (a *Argument) describe() string {
	words := map[ArgumentType]string{
		ArgumentString: "a text", ArgumentInteger: "a whole number", ArgumentSeconds: "seconds, or with units as in 90s and 1h30m",
		ArgumentMAC: "a MAC address", ArgumentList: "texts", ArgumentTargets: "machines, ranges (bmc[001-100]), @groups, group files, !name",
	}
	text := words[a.Type]
	if len(a.OneOf) > 0 {
		text = "one of " + strings.Join(a.OneOf, ", ")
	}
	if a.Max > a.Min {
		text += fmt.Sprintf(", %g or more", a.Min)
		if a.Max < maxSeconds {
			text = strings.TrimSuffix(text, fmt.Sprintf(", %g or more", a.Min)) + fmt.Sprintf(" from %g to %g", a.Min, a.Max)
		}
	}
	return text
}

// Line is the usage in one line: "ctys wakeup [-i IF] MAC".
func (h Head) Line() string {
	if h.Usage != "" {
		if strings.HasPrefix(h.Usage, "ctys ") {
			return h.Usage
		}
		return "ctys " + strings.TrimSpace(h.Name+" "+strings.TrimPrefix(strings.TrimPrefix(h.Usage, h.Name), " "))
	}
	words := []string{"ctys", h.Name}
	for i := range h.Arguments {
		words = append(words, h.Arguments[i].word())
	}
	return strings.Join(words, " ")
}

func (a *Argument) word() string {
	word := a.valueName()
	if len(a.Options) > 0 {
		word = a.Options[0]
		if a.Type != ArgumentFlag {
			word += " " + a.valueName()
		}
	}
	if a.Type.rest() {
		word += "…"
	}
	if !a.Required {
		word = "[" + word + "]"
	}
	return word
}

// Text is the help on a script: what it does, its arguments, examples, and
// what it touches.
func (h Head) Text() string {
	var b strings.Builder
	if h.What != "" {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.What)
	}
	fmt.Fprintf(&b, "usage: %s\n", h.Line())
	for i := range h.Arguments {
		h.Arguments[i].help(&b)
	}
	for i, example := range h.Examples {
		if i == 0 {
			b.WriteString("examples:\n")
		}
		fmt.Fprintf(&b, "  %s\n", example)
	}
	if len(h.Categories) > 0 {
		fmt.Fprintf(&b, "categories: %s\n", strings.Join(h.Categories, ", "))
	}
	touches := "nothing but reads"
	if len(h.Touches) > 0 {
		touches = strings.Join(h.Touches, ", ")
	} else if h.Declared {
		touches = "nothing"
	}
	fmt.Fprintf(&b, "touches: %s\n", touches)
	return b.String()
}

func (a *Argument) help(b *strings.Builder) {
	left := a.valueName()
	if len(a.Options) > 0 {
		left = strings.Join(a.Options, ", ")
		if a.Type != ArgumentFlag {
			left += " " + a.valueName()
		}
	}
	text := a.Help
	if text == "" {
		text = a.describe()
	}
	if a.Default != nil {
		text += fmt.Sprintf(" (default %v)", a.Default)
	}
	fmt.Fprintf(b, "  %-24s %s\n", left, text)
}

// Plans tells whether the arguments ask for a plan: a flag of the script's own
// that is called plan.
func (h Head) Plans(arguments map[string]any) bool {
	plan, _ := arguments["plan"].(bool)
	return plan
}
