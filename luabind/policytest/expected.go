package policytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ctys/luabind"
	"ctys/primitives"
)

// mark begins a comment that says which error its line raises:
//
//	wol.send{ mac = "52:54" } --> error: MAC address
//
// A test that has one passes only where it ends there, with an error that has
// these words.
const mark = "--> error:"

// expectation is one such comment.
type expectation struct {
	line  int
	words string
}

type expectations []expectation

// expectations are the comments within the function.
func (f function) expectations(source luabind.Source) (list expectations) {
	lines := strings.Split(source.Text, "\n")
	for number := f.from; number <= f.to && number <= len(lines); number++ {
		if _, words, found := strings.Cut(lines[number-1], mark); found {
			list = append(list, expectation{number, strings.TrimSpace(words)})
		}
	}
	return list
}

// compare gives what is wrong with how the test ended.
func (list expectations) compare(file string, err error) error {
	if len(list) == 0 {
		return err
	}
	at := func(line int) string { return fmt.Sprintf("%s:%d", file, line) }
	if err == nil {
		return primitives.Errorf(primitives.Internal, "script test", "", "%s: the error %q was not raised", at(list[0].line), list[0].words)
	}
	where := whereOf(err)
	met := slices.IndexFunc(list, func(e expectation) bool { return at(e.line) == where })
	switch {
	case met < 0:
		return primitives.Wrap("script test", "", fmt.Sprintf("%s: the error %q was not raised, but another one", at(list[0].line), list[0].words), err)
	case !strings.Contains(err.Error(), list[met].words):
		return primitives.Wrap("script test", "", fmt.Sprintf("%s: an error was raised, without the words %q", where, list[met].words), err)
	case met < len(list)-1:
		return primitives.Errorf(primitives.Internal, "script test", "", "%s: the test ended at %s: a function raises one error, the others need functions of their own", at(list[met+1].line), where)
	}
	return nil
}

// whereOf is the place at which an error was raised: that of its value, or the
// one that Lua puts before a text.
func whereOf(err error) string {
	var script *luabind.ScriptError
	if !errors.As(err, &script) {
		return ""
	}
	if script.Where != "" {
		return script.Where
	}
	file, rest, found := strings.Cut(script.Message, ".lua:")
	line, _, more := strings.Cut(rest, ":")
	if !found || !more {
		return ""
	}
	return file + ".lua:" + line
}
