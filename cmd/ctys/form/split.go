package form

import (
	"strconv"
	"strings"
)

// split tells options from other words, as getopt does: letters may be
// clustered, a value may be attached (-tpm, --limit=3) or be the next word, and
// "--" ends the options. Options and other words may be mixed.
func split(argv []string) (settings []setting, words []string, err error) {
	for len(argv) > 0 {
		word := argv[0]
		argv = argv[1:]
		switch {
		case word == "--":
			return settings, append(words, argv...), nil
		case strings.HasPrefix(word, "--"):
			settings, argv, err = long(settings, word, argv)
		case len(word) > 1 && word[0] == '-':
			settings, argv, err = cluster(settings, word, argv)
		default:
			words = append(words, word)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return settings, words, nil
}

// long reads one --name, --name=value or --name value.
func long(settings []setting, word string, argv []string) ([]setting, []string, error) {
	name, value, attached := strings.Cut(word[2:], "=")
	option := byName(name)
	if option == nil {
		return nil, nil, refuse(word, "there is no such option; accepted: "+accepted())
	}
	if option.argument == "" {
		if attached {
			return nil, nil, refuse(word, "it takes no value (--"+name+")")
		}
		return append(settings, setting{option: option, typed: word}), argv, nil
	}
	typed := word
	if !attached {
		if len(argv) == 0 {
			return nil, nil, refuse(word, "its value is missing (--"+name+" "+option.argument+")")
		}
		value, argv = argv[0], argv[1:]
		typed = word + " " + value
	}
	if err := checkValue(option, typed, value); err != nil {
		return nil, nil, err
	}
	return append(settings, setting{option, value, typed}), argv, nil
}

// cluster reads one word of letters, of which the last may take a value.
func cluster(settings []setting, word string, argv []string) ([]setting, []string, error) {
	for i, letter := range word[1:] {
		option := byLetter(letter)
		if option == nil {
			return nil, nil, unknownLetter(word, letter)
		}
		typed := "-" + string(letter)
		if option.argument == "" {
			settings = append(settings, setting{option: option, typed: typed})
			continue
		}
		value := word[1+i+len(string(letter)):]
		if value != "" {
			typed += value
		} else {
			if len(argv) == 0 {
				return nil, nil, refuse(typed, "its value is missing ("+option.usage()+")")
			}
			value, argv = argv[0], argv[1:]
			typed += " " + value
		}
		if err := checkValue(option, typed, value); err != nil {
			return nil, nil, err
		}
		return append(settings, setting{option, value, typed}), argv, nil
	}
	return settings, argv, nil
}

func checkValue(option *option, typed, value string) error {
	if strings.ContainsRune(value, 0) {
		return refuse(typed, "it has a byte that no argument may have")
	}
	if option.check == nil {
		if value == "" {
			return refuse(typed, "its value is empty ("+option.usage()+")")
		}
		return nil
	}
	if accepted, ok := option.check(value); !ok {
		return refuse(typed, accepted)
	}
	return nil
}

func unknownLetter(word string, letter rune) error {
	if counterpart, known := original[letter]; known {
		return refuse(word, "-"+string(letter)+" of the UnifiedSessionsManager "+counterpart)
	}
	return refuse(word, "there is no option "+strconv.Quote("-"+string(letter))+"; accepted: "+accepted())
}

// original are the letters of the UnifiedSessionsManager that mean nothing
// here, with what does their work now.
var original = map[rune]string{
	'c': "chose between local and remote data bases; there is one inventory, named by --inventory FILE or -p",
	'C': "ruled the cache of collected reports; nothing is cached, and --inventory FILE or -p names the inventory",
	'd': "set the level of debugging; say -v, more than once for more",
	'D': "has no counterpart; a console appears on the display of this session",
	'E': "has no counterpart; ctys itself knows when it runs on the target",
	'f': "has no counterpart among the options; say FORCE within CANCEL, or --yes to confirm",
	'F': "has no counterpart; the far side always runs this same version",
	'g': "has no counterpart among the options; hand a geometry to the console with XOPTS within CREATE",
	'j': "has no counterpart; ctys numbers its jobs itself",
	'k': "has no counterpart",
	'L': "has no counterpart; a console runs here and reaches the machine through SSH",
	'O': "has no counterpart; name the options themselves, or put them in the parentheses of a target",
	'r': "has no counterpart among the options; hand a resolution to the console with XOPTS within CREATE",
	's': "has no counterpart; reports show everything that the account may see",
	'S': "has no counterpart",
	'w': "has no counterpart; warnings always go to standard error",
	'W': "has no counterpart; windows are placed by the desktop",
	'x': "has no counterpart among the options; hand options to the console's program with XOPTS within CREATE",
	'y': "has no counterpart; agent forwarding is off unless -Y is given",
}
