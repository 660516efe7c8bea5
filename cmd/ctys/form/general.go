package form

import (
	"slices"
	"strings"
)

// general are the long options that every form of ctys takes, also before and
// behind the name of a script.
var general = []string{"inventory", "plan", "json", "yes", "limit", "deadline", "journal", "accept-new-host-key", "version", "help"}

// General takes the options that every form knows out of a command line,
// wherever they stand before "--", and leaves the other words in their order.
// Those for which own answers true belong to the script and stay. Every error
// is an *Error.
func General(argv []string, own func(option string) bool) (Options, []string, error) {
	var settings []setting
	var rest []string
	for len(argv) > 0 {
		word := argv[0]
		argv = argv[1:]
		name, _, _ := strings.Cut(word, "=")
		var err error
		switch {
		case word == "--":
			return replay(settings), append(append(rest, word), argv...), nil
		case own(name):
			rest = append(rest, word)
		case isVerbose(word):
			settings, argv, err = cluster(settings, word, argv)
		case strings.HasPrefix(word, "--") && slices.Contains(general, name[2:]):
			settings, argv, err = long(settings, word, argv)
		default:
			rest = append(rest, word)
		}
		if err != nil {
			return Options{}, nil, err
		}
	}
	return replay(settings), rest, nil
}

func isVerbose(word string) bool {
	return len(word) > 1 && word[0] == '-' && strings.Trim(word[1:], "v") == ""
}

// Merge gives the options of two parts of a command line; what stands later
// wins.
func (o Options) Merge(later Options) Options {
	switch {
	case !later.Typed():
		return o
	case !o.Typed():
		return later
	}
	return replay(slices.Concat(o.settings, later.settings))
}

// Typed tells whether any option was.
func (o Options) Typed() bool { return len(o.settings) > 0 }
