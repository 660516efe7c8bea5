package form

import (
	"slices"
	"strings"
	"time"
)

// Options are what may be set for a call, and most of it for one target.
type Options struct {
	Plan       bool     // -n, --plan: print what would be done
	Background []string // -b, in lower case: sync or async, seq or par, stack
	Become     []string // -Z, in upper case: KSU, SUDO, NOKSU, NOSUDO, ALL
	PTY        int      // -z: 0 no pseudo-terminal, 1 or 2 as ssh's -t once or twice
	User       string   // -l: user for targets without one
	Agent      bool     // -Y: SSH agent forwarding
	Message    string   // -M: text before a target's output
	Ambiguous  bool     // -A 1: an address may mean several machines
	Types      []string // -T, in lower case

	Inventory string // -p, --inventory: the file or folder of the inventory
	Output    string // -o, -X, --json: "terse", "table", "json"; empty where none was typed
	Terse     bool   // Output is terse
	JSON      bool   // Output is json
	Version   bool   // -V, --version
	Help      bool   // -h, --help, and -H with its topic
	HelpTopic string // -H

	Yes              bool          // --yes: go on where a confirmation is due
	Limit            int           // --limit: how many targets at once; 0 where none was typed
	Deadline         time.Duration // --deadline: for the whole run; 0 where none was typed
	Journal          string        // --journal: the folder of the journal
	Verbose          int           // how often -v was typed
	AcceptNewHostKey bool          // --accept-new-host-key

	settings []setting
}

// Given tells whether an option was typed, by its letter ("z") or its long
// name ("limit"); a letter and the long name beside it are one option.
func (o Options) Given(name string) bool {
	return slices.ContainsFunc(o.settings, func(s setting) bool {
		return s.option.name == name || string(s.option.letter) == name
	})
}

// setting is one option as typed.
type setting struct {
	option *option
	value  string
	typed  string
}

// option is one row of the table of options.
type option struct {
	letter   rune   // 0: none
	name     string // long name; empty: none
	argument string // what its value is called; empty: it takes none
	target   bool   // it may also stand in parentheses
	// check refuses a value with what is accepted; nil takes any but the empty one.
	check func(value string) (accepted string, ok bool)
	apply func(*Options, string)
}

// options are all that the ctys form knows.
var options = []*option{
	{letter: 't', argument: "TYPE", check: checkType, apply: nothing},
	{letter: 'a', argument: "ACTION[=SUBOPTS]", check: checkAction, apply: nothing},
	{letter: 'T', argument: "LIST", target: true, check: checkTypes, apply: func(o *Options, v string) { o.Types = list(strings.ToLower(v)) }},

	{letter: 'n', name: "plan", target: true, apply: func(o *Options, _ string) { o.Plan = true }},
	{letter: 'b', argument: "MODE[,MODE]", target: true, check: checkBackground, apply: func(o *Options, v string) { o.Background = backgroundModes(v) }},
	{letter: 'Z', argument: "LIST", target: true, check: checkBecome, apply: func(o *Options, v string) { o.Become = list(strings.ToUpper(v)) }},
	{letter: 'z', argument: "PTY", target: true, check: checkPTY, apply: func(o *Options, v string) { o.PTY = ptys[strings.ToUpper(v)] }},
	{letter: 'l', argument: "USER", target: true, check: checkUser, apply: func(o *Options, v string) { o.User = v }},
	{letter: 'Y', target: true, apply: func(o *Options, _ string) { o.Agent = true }},
	{letter: 'M', argument: "TEXT", target: true, check: checkText, apply: func(o *Options, v string) { o.Message = v }},
	{letter: 'A', argument: "0|1", target: true, check: checkSwitch, apply: func(o *Options, v string) { o.Ambiguous = switches[strings.ToUpper(v)] }},

	{letter: 'p', name: "inventory", argument: "FILE", apply: func(o *Options, v string) { o.Inventory = v }},
	{letter: 'o', argument: "FORMAT", check: checkOutput, apply: func(o *Options, v string) { o.setOutput(strings.ToLower(v)) }},
	{letter: 'X', apply: func(o *Options, _ string) { o.setOutput("terse") }},
	{name: "json", apply: func(o *Options, _ string) { o.setOutput("json") }},
	{letter: 'V', name: "version", apply: func(o *Options, _ string) { o.Version = true }},
	{letter: 'h', name: "help", apply: func(o *Options, _ string) { o.Help = true }},
	{letter: 'H', argument: "TOPIC", apply: func(o *Options, v string) { o.Help, o.HelpTopic = true, v }},

	{name: "yes", apply: func(o *Options, _ string) { o.Yes = true }},
	{name: "limit", argument: "N", check: checkLimit, apply: func(o *Options, v string) { o.Limit, _ = limit(v) }},
	{name: "deadline", argument: "DURATION", check: checkDeadline, apply: func(o *Options, v string) { o.Deadline, _ = duration(v) }},
	{name: "journal", argument: "DIR", apply: func(o *Options, v string) { o.Journal = v }},
	{letter: 'v', apply: func(o *Options, _ string) { o.Verbose++ }},
	{name: "accept-new-host-key", apply: func(o *Options, _ string) { o.AcceptNewHostKey = true }},
}

// nothing is set by -t and -a, which Form itself takes.
func nothing(*Options, string) {}

func (o *Options) setOutput(format string) {
	o.Output, o.Terse, o.JSON = format, format == "terse", format == "json"
}

// Unsupported are the settings in effect that this version does not carry out.
func (o Options) Unsupported() []Unsupported {
	var found []Unsupported
	if slices.Contains(o.Background, "stack") {
		found = append(found, Unsupported{"-b stack", "starting targets in the order of their stack"})
	}
	if o.Given("M") {
		found = append(found, Unsupported{"-M", "printing a text before a target's output"})
	}
	return found
}

// Async tells whether the call is to go on by itself.
func (o Options) Async() bool { return slices.Contains(o.Background, "async") }

// replay carries out settings in order, so that the last one wins.
func replay(settings []setting) Options {
	o := Options{settings: settings}
	for _, s := range settings {
		s.option.apply(&o, s.value)
	}
	return o
}

func byLetter(letter rune) *option {
	for _, option := range options {
		if option.letter == letter {
			return option
		}
	}
	return nil
}

func byName(name string) *option {
	for _, option := range options {
		if option.name == name && name != "" {
			return option
		}
	}
	return nil
}

// usage is how an option is written.
func (o *option) usage() string {
	if o.letter == 0 {
		return strings.TrimSpace("--" + o.name + " " + o.argument)
	}
	return strings.TrimSpace("-" + string(o.letter) + " " + o.argument)
}

// accepted names all options, for the error about an unknown one.
func accepted() string {
	var words []string
	for _, option := range options {
		if option.letter != 0 {
			words = append(words, "-"+string(option.letter))
		}
		if option.name != "" {
			words = append(words, "--"+option.name)
		}
	}
	return strings.Join(words, " ")
}
