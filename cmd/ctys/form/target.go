package form

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// readTargets reads the words that are no options: one pair of parentheses for
// all targets at the beginning, then the targets.
func (f *Form) readTargets(words []string) error {
	for i, word := range words {
		if err := checkNoTask(word); err != nil {
			return err
		}
		if strings.HasPrefix(word, "(") {
			if i > 0 {
				return refuse(word, "options for all targets stand once, before the first target; those of one target stand directly behind its name, as in lab01'(-n)'")
			}
			shared, err := parentheses(word, word)
			if err != nil {
				return err
			}
			f.Shared = shared
			continue
		}
		target, err := readTarget(word)
		if err != nil {
			return err
		}
		f.Targets = append(f.Targets, target)
	}
	return nil
}

// Named is what stands behind the name of a script that takes TARGETs: as in the
// ctys form, without -t and -a. options are those of the command line. Every
// error is an *Error.
func Named(options Options, words []string) (*Form, error) {
	form := &Form{Type: "all", Options: options}
	err := form.readTargets(words)
	form.Types = form.For(Target{}).Types
	return form, err
}

// ReadTarget reads one TARGET, as it stands on a command line or in a file of
// targets. Every error is an *Error.
func ReadTarget(word string) (Target, error) {
	if err := checkNoTask(word); err != nil {
		return Target{Text: word}, err
	}
	return readTarget(word)
}

func readTarget(word string) (Target, error) {
	target := Target{Text: word}
	name := word
	if open := strings.IndexByte(word, '('); open >= 0 {
		own, err := parentheses(word, word[open:])
		if err != nil {
			return target, err
		}
		name, target.Options = word[:open], own
	}
	target.User, target.Host = cutUser(name)
	switch {
	case strings.HasPrefix(name, "!") && target.Options.settings != nil:
		return target, refuse(word, "a target that is taken away has no options")
	case !isHost(target.Host) || target.User != "" && target.Host[0] == '!':
		return target, refuse(word, "a target is [user@]host['(options)'], a range, a @group or !name, without blanks and quotes, not beginning with a dash")
	case target.User != "" && !isUser(target.User):
		return target, refuse(word, "the user before the @ is a name without blanks, not beginning with a dash")
	}
	return target, nil
}

// cutUser takes the user off, who may have an @ in the name (user@REALM@host).
// The @ of a @group is no such mark, and a target that is taken away names no
// user.
func cutUser(name string) (user, host string) {
	if strings.HasPrefix(name, "!") {
		return "", name
	}
	at := strings.LastIndexByte(name, '@')
	if at > 0 && name[at-1] == '@' {
		at--
	}
	if at > 0 {
		return name[:at], name[at+1:]
	}
	return "", name
}

func isHost(host string) bool {
	bare := strings.TrimPrefix(strings.TrimPrefix(host, "!"), "@")
	return bare != "" && bare[0] != '-' && !strings.ContainsFunc(bare, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`"'()\!@`, r)
	})
}

// parentheses reads "(options)"; word is the whole word, for errors.
func parentheses(word, text string) (Options, error) {
	if len(text) < 2 || !strings.HasSuffix(text, ")") {
		return Options{}, refuse(word, "the parentheses stand around the options at the end of the word, as in lab01'(-n)'")
	}
	words, ok := shellWords(text[1 : len(text)-1])
	if !ok {
		return Options{}, refuse(word, "a quote or parenthesis within the options is not closed or not quoted")
	}
	settings, rest, err := split(words)
	if err != nil {
		refused := err.(*Error)
		return Options{}, refuse(word, refused.Error())
	}
	if len(rest) > 0 {
		return Options{}, refuse(word, "only options stand in parentheses, as in lab01'(-Z SUDO -l root)'")
	}
	for _, s := range settings {
		if !s.option.target {
			return Options{}, refuse(word, strconv.Quote(s.typed)+" holds for the whole call and stands outside of parentheses")
		}
	}
	return replay(settings), nil
}

// shellWords splits at blanks; quotes of either kind and a backslash keep what
// they quote.
func shellWords(text string) (words []string, ok bool) {
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			inWord, quote = true, r
		case unicode.IsSpace(r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		case r == '(' || r == ')':
			return nil, false
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, quote == 0 && !escaped
}

// tasks are forms of the UnifiedSessionsManager's targets that are scripts here.
var tasks = []string{"MACRO", "SUBTASK", "SUBGROUP", "VMSTACK"}

func checkNoTask(word string) error {
	bare := strings.TrimLeft(word, "{")
	name := bare
	if end := strings.IndexAny(bare, ":={}(%"); end >= 0 {
		name = bare[:end]
	}
	if !slices.Contains(tasks, strings.ToUpper(name)) {
		return nil
	}
	if word == name && name != strings.ToUpper(name) {
		return nil
	}
	return refuse(word, "there is no "+strings.Join(tasks[:3], ", ")+" or "+tasks[3]+"; a script in Lua does that work (ctys run FILE.lua), and a @group in the inventory names many targets")
}
