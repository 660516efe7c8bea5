// Package form reads the command line of the ctys form:
//
//	ctys -t TYPE -a ACTION=SUBOPT[,SUBOPT…] [options] [--] ['(options)'] TARGET…
//
// It only reads: sub-options stay the text that the action's own grammar
// checks, targets stay as typed until ranges and groups are expanded, and
// nothing is contacted or opened.
package form

import (
	"slices"
	"strconv"
	"strings"
)

// Form is one command line.
type Form struct {
	// Type is the one type that acts, in lower case: pm, a type of virtual
	// machine, or "all", which is also what no -t means.
	Type string
	// TypeGiven tells whether -t was typed.
	TypeGiven bool
	// Types are the hypervisors or plugins that -T names for all targets, in
	// lower case; empty where none was typed. A target may have its own.
	Types []string
	// Action is the name of the action, in lower case.
	Action string
	// Subopts is what stands behind "ACTION=", as typed.
	Subopts string
	// Targets are the hosts on which the action is executed, in the order
	// typed; empty means this host.
	Targets []Target
	// Options are those of the command line outside of any parentheses.
	Options Options
	// Shared are those of the first parentheses, which hold for all targets.
	Shared Options
	// Unsupported are the options that are well formed and in effect, and that
	// this version does not carry out. Parse accepts them; the caller refuses.
	Unsupported []Unsupported
}

// Target is one TARGET: [user@]host['(options)'].
type Target struct {
	Text    string  // as typed, with its parentheses
	User    string  // empty where none was typed
	Host    string  // a name, an address, a range, "@group" or "!name", as typed
	Options Options // those of its own parentheses
}

// Unsupported is an option that is understood and not carried out.
type Unsupported struct {
	Option string // "-b stack"
	Text   string // what it would do
}

// Error is a command line that is refused. The caller exits with 2.
type Error struct {
	Option  string // the words at fault, as typed
	Message string // what is wrong and what is accepted
}

// Error is one line that quotes what was typed.
func (e *Error) Error() string {
	return strconv.Quote(e.Option) + ": " + e.Message
}

func refuse(option, message string) error { return &Error{Option: option, Message: message} }

// Parse reads the words behind "ctys". Every error is an *Error.
func Parse(argv []string) (*Form, error) {
	settings, words, err := split(argv)
	if err != nil {
		return nil, err
	}
	form := &Form{Options: replay(settings)}
	if err := form.readCall(settings); err != nil {
		return nil, err
	}
	if err := form.readTargets(words); err != nil {
		return nil, err
	}
	form.Types = form.For(Target{}).Types
	form.Unsupported = form.unsupported()
	return form, form.check()
}

// For gives the options in effect for one target: those of the command line,
// over them those of the first parentheses, over them its own. The last one
// wins.
func (f *Form) For(target Target) Options {
	return replay(slices.Concat(f.Options.settings, f.Shared.settings, target.Options.settings))
}

// readCall takes -t and -a, which name what is called and are not options of a
// target.
func (f *Form) readCall(settings []setting) error {
	f.Type = "all"
	for _, s := range settings {
		switch s.option.letter {
		case 't':
			if f.TypeGiven {
				return refuse(s.typed, "-t is given twice; it names one type")
			}
			f.Type, f.TypeGiven = strings.ToLower(s.value), true
		case 'a':
			if f.Action != "" {
				return refuse(s.typed, "-a is given twice; one call carries out one action")
			}
			name, subopts, _ := strings.Cut(s.value, "=")
			f.Action, f.Subopts = strings.ToLower(name), subopts
		}
	}
	return nil
}

// check finds what is missing once everything is read.
func (f *Form) check() error {
	if f.Options.Help || f.Options.Version {
		return nil
	}
	if f.Action == "" {
		return refuse("-a", "the action is missing (-a ACTION or -a ACTION=SUBOPT[,SUBOPT...])")
	}
	if f.Action != "create" && f.Action != "cancel" {
		return nil
	}
	if !f.TypeGiven {
		return refuse("-a "+f.Action, "it needs -t TYPE beside it ("+typeWords()+")")
	}
	if f.Type == "all" {
		return refuse("-t all", "the action "+f.Action+" is carried out by one type ("+typeWords()+")")
	}
	return nil
}

func (f *Form) unsupported() []Unsupported {
	var found []Unsupported
	add := func(options Options) {
		for _, u := range options.Unsupported() {
			if !slices.Contains(found, u) {
				found = append(found, u)
			}
		}
	}
	if len(f.Targets) == 0 {
		add(f.For(Target{}))
	}
	for _, target := range f.Targets {
		add(f.For(target))
	}
	return found
}

// IsForm tells whether a command line is the ctys form: one of its letters
// (-a and -t foremost) or its parentheses stand before the first other word.
// Otherwise that word is the NAME of a script or command; -v and the long
// options may stand before either.
func IsForm(argv []string) bool {
	for i := 0; i < len(argv); i++ {
		word := argv[i]
		switch {
		case word == "--" || word == "-" || word == "":
			return false
		case strings.HasPrefix(word, "--"):
			name, _, attached := strings.Cut(word[2:], "=")
			if option := byName(name); option != nil && option.argument != "" && !attached {
				i++
			}
		case word[0] == '(':
			return true
		case word[0] != '-':
			return false
		case strings.Trim(word[1:], "v") != "":
			return true
		}
	}
	return false
}
