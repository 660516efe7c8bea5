package luabind

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ctys/primitives"
)

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

// Plans tells whether the arguments ask for a plan: a flag of the script's own
// that is called plan.
func (h Head) Plans(arguments map[string]any) bool {
	plan, _ := arguments["plan"].(bool)
	return plan
}
