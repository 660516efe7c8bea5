package form

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// machineTypes are the types that -t and -T name; vm is whatever hypervisor is
// found.
var machineTypes = []string{"pm", "xen", "kvm", "qemu", "vbox", "vmw", "lxc", "vm"}

// loginTypes are types of the UnifiedSessionsManager that are consoles here.
var loginTypes = []string{"cli", "x11", "vnc", "rdp"}

func typeWords() string { return strings.Join(machineTypes, ", ") }

func list(text string) []string { return strings.Split(text, ",") }

func checkType(value string) (string, bool) {
	name := strings.ToLower(value)
	switch {
	case name == "all" || slices.Contains(machineTypes, name):
		return "", true
	case slices.Contains(loginTypes, name):
		return "a login is no type; it is a console of a machine: -t pm -a create=CONSOLE:cli (or VNC, XTERM, ...)", false
	case strings.Contains(value, ","):
		return "-t names one type (" + typeWords() + ", all); a list stands behind -T", false
	}
	return "the type is one of " + typeWords() + ", or all", false
}

func checkTypes(value string) (string, bool) {
	for _, name := range list(value) {
		if accepted, ok := checkType(name); !ok {
			if slices.Contains(loginTypes, strings.ToLower(name)) {
				return accepted, false
			}
			return "the types are a list with commas of " + typeWords() + ", or all", false
		}
	}
	return "", true
}

func checkAction(value string) (string, bool) {
	const accepted = "an action is a name of letters, digits, - and _, and = before its sub-options (-a ACTION or -a ACTION=SUBOPT[,SUBOPT...])"
	name, _, _ := strings.Cut(value, "=")
	for i, letter := range name {
		first := letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z'
		later := letter >= '0' && letter <= '9' || letter == '-' || letter == '_'
		if !first && (i == 0 || !later) {
			return accepted, false
		}
	}
	return accepted, name != ""
}

// background are the words of -b, each with its canonical one and the choice
// it belongs to.
var background = map[string]struct{ word, choice string }{
	"SYNC": {"sync", "when"}, "OFF": {"sync", "when"}, "0": {"sync", "when"},
	"ASYNC": {"async", "when"}, "ON": {"async", "when"}, "1": {"async", "when"},
	"SEQ": {"seq", "order"}, "2": {"seq", "order"},
	"PAR": {"par", "order"}, "3": {"par", "order"},
	"STACK": {"stack", "order"},
}

func checkBackground(value string) (string, bool) {
	chosen := map[string]bool{}
	for _, word := range list(value) {
		mode, known := background[strings.ToUpper(word)]
		if !known || chosen[mode.choice] {
			return "the mode is one of sync (off, 0) and async (on, 1), one of seq (2), par (3) and stack, or one of each with a comma between them", false
		}
		chosen[mode.choice] = true
	}
	return "", true
}

func backgroundModes(value string) []string {
	var modes []string
	for _, word := range list(value) {
		modes = append(modes, background[strings.ToUpper(word)].word)
	}
	return modes
}

func checkBecome(value string) (string, bool) {
	const accepted = "the tools are a list with commas of KSU, SUDO, NOKSU, NOSUDO, ALL, none of them together with its opposite"
	words := list(strings.ToUpper(value))
	for _, word := range words {
		if !slices.Contains([]string{"KSU", "SUDO", "NOKSU", "NOSUDO", "ALL"}, word) || slices.Contains(words, "NO"+word) {
			return accepted, false
		}
	}
	return accepted, true
}

var ptys = map[string]int{"NOPTY": 0, "PTY": 1, "1": 1, "2": 2}

func checkPTY(value string) (string, bool) {
	_, ok := ptys[strings.ToUpper(value)]
	return "the pseudo-terminal is NOPTY, PTY, 1 or 2", ok
}

var switches = map[string]bool{"0": false, "OFF": false, "1": true, "ON": true}

func checkSwitch(value string) (string, bool) {
	_, ok := switches[strings.ToUpper(value)]
	return "the switch is 0 (off) or 1 (on)", ok
}

func checkUser(value string) (string, bool) {
	return "the user is a name without blanks, not beginning with a dash", isUser(value)
}

// isUser keeps out what another program would take for an option or for more
// than a name.
func isUser(name string) bool {
	return name != "" && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`:/"'()`, r)
	})
}

func checkText(value string) (string, bool) {
	return "the text is one line", value != "" && !strings.ContainsFunc(value, unicode.IsControl)
}

func checkOutput(value string) (string, bool) {
	return "the output is terse, table or json", slices.Contains([]string{"terse", "table", "json"}, strings.ToLower(value))
}

// mostTargets at once is far above any site and keeps the number an int
// everywhere.
const mostTargets = 1_000_000

func limit(value string) (int, bool) {
	n, err := strconv.Atoi(value)
	return n, err == nil && n >= 1 && n <= mostTargets && isDigits(value)
}

func checkLimit(value string) (string, bool) {
	_, ok := limit(value)
	return "the limit is the number of targets at once, 1 or more (--limit N)", ok
}

// duration reads Go's notation (90s, 1h30m) or a number of seconds.
func duration(value string) (time.Duration, bool) {
	if isDigits(value) {
		value += "s"
	}
	d, err := time.ParseDuration(value)
	return d, err == nil && d > 0
}

func checkDeadline(value string) (string, bool) {
	_, ok := duration(value)
	return "the deadline is a time above 0: seconds, or with units as in 90s, 10m, 1h30m (--deadline DURATION)", ok
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
