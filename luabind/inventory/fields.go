package inventory

import (
	"math"
	"slices"
	"strings"
)

// fields reads the named fields of one table. The first error stays in err and
// later reads give zero values, so that a decoder reads like a list.
type fields struct {
	src   source
	what  string // whose fields: "lab01", "lab01.bmc"
	from  *table
	known []string
	err   error
}

// start checks what holds for every table of named fields: no list part, and
// no key that looks like a slip of a known one.
func start(src source, what string, from *table, known []string) *fields {
	f := &fields{src: src, what: what, from: from, known: known}
	if len(from.list) > 0 {
		f.fail(from.list[0].line, "%s stands without a key (fields are written NAME = VALUE)", describe(from.list[0]))
		return f
	}
	for _, key := range from.keys {
		if meant := slip(key, known); meant != "" {
			f.fail(from.named[key].line, "unknown key %q: did you mean %q? (a key of your own must differ from a known one by more than one letter)", key, meant)
		}
	}
	return f
}

func (f *fields) fail(line int, format string, args ...any) {
	if f.err == nil {
		f.err = f.src.at(line, f.what+": "+format, args...)
	}
}

func (f *fields) get(key string) (value, bool) {
	if f.err != nil {
		return value{}, false
	}
	v, found := f.from.named[key]
	return v, found
}

// line of a key, or of the table where the key is not there.
func (f *fields) line(key string) int {
	if v, found := f.from.named[key]; found {
		return v.line
	}
	return f.from.line
}

// text reads a text that is not empty.
func (f *fields) text(key string) string {
	v, found := f.get(key)
	if !found {
		return ""
	}
	s, ok := v.data.(string)
	if !ok {
		f.fail(v.line, "%s must be text in quotes, and is %s", key, describe(v))
		return ""
	}
	if strings.TrimSpace(s) == "" || strings.ContainsAny(s, "\x00\n\r") {
		f.fail(v.line, "%s must be one line of text that is not empty, and is %s", key, describe(v))
		return ""
	}
	return s
}

// choice reads one of a few words.
func (f *fields) choice(key string, words ...string) string {
	s := f.text(key)
	if s == "" {
		return ""
	}
	for _, word := range words {
		if s == word {
			return s
		}
	}
	f.fail(f.line(key), "%s must be %s, and is %s", key, oneOf(words), quoted(s))
	return ""
}

// texts reads a list of texts.
func (f *fields) texts(key string) []string {
	v, found := f.get(key)
	if !found {
		return nil
	}
	list, ok := v.data.(*table)
	if !ok || len(list.keys) > 0 {
		f.fail(v.line, "%s must be a list of texts, { \"a\", \"b\" }, and is %s", key, describe(v))
		return nil
	}
	texts := make([]string, 0, len(list.list))
	for _, item := range list.list {
		s, ok := item.data.(string)
		if !ok || strings.TrimSpace(s) == "" {
			f.fail(item.line, "%s must be a list of texts, and has %s in it", key, describe(item))
			return nil
		}
		texts = append(texts, s)
	}
	return texts
}

// number reads a number with low <= n <= high, or above low where open says so.
func (f *fields) number(key, unit string, low, high float64, open bool) (float64, bool) {
	v, found := f.get(key)
	if !found {
		return 0, false
	}
	n, ok := v.data.(float64)
	if !ok || n < low || n > high || open && n == low {
		span := "from " + numberText(low)
		if open {
			span = "above " + numberText(low)
		}
		f.fail(v.line, "%s must be %s %s to %s, and is %s", key, unit, span, numberText(high), describe(v))
		return 0, false
	}
	return n, true
}

// whole reads a number without a fraction.
func (f *fields) whole(key, unit string, low, high int) (int, bool) {
	n, found := f.number(key, unit, float64(low), float64(high), false)
	if found && n != math.Trunc(n) {
		f.fail(f.line(key), "%s must be a whole number, and is %s", key, numberText(n))
		return 0, false
	}
	return int(n), found
}

// count reads a number from 1; 0 where there is none.
func (f *fields) count(key string, high int) int {
	n, _ := f.whole(key, "a number", 1, high)
	return n
}

// words reads a list of accepted words, each once, or one alone.
func (f *fields) words(key string, accepted ...string) []string {
	v, found := f.get(key)
	if !found {
		return nil
	}
	word, alone := v.data.(string)
	words := []string{word}
	if !alone {
		words = f.texts(key)
	}
	for i, word := range words {
		if !slices.Contains(accepted, word) {
			f.fail(v.line, "%s must be %s, and has %s", key, oneOf(accepted), quoted(word))
			return nil
		}
		if slices.Contains(words[:i], word) {
			f.fail(v.line, "%s has %s twice", key, quoted(word))
			return nil
		}
	}
	return words
}

// port reads a TCP or UDP port; 0 where there is none.
func (f *fields) port(key string) int {
	n, _ := f.whole(key, "a port", 1, 65535)
	return n
}

// secret reads a reference. A password that stands in the file is refused: the
// file is shipped, shown and kept under version control.
func (f *fields) secret(key string) SecretRef {
	v, found := f.get(key)
	if !found {
		return SecretRef{}
	}
	ref, ok := v.data.(SecretRef)
	if !ok {
		f.fail(v.line, "%s must be secret.file(\"…\"), secret.env(\"…\") or secret.command(\"…\"), never the password itself", key)
	}
	return ref
}

// inner reads a table of named fields; nil where there is none.
func (f *fields) inner(key string) *table {
	v, found := f.get(key)
	if !found {
		return nil
	}
	t, ok := v.data.(*table)
	if !ok {
		f.fail(v.line, "%s must be a table, { … }, and is %s", key, describe(v))
		return nil
	}
	return t
}

// extra reads every key that is not a known one.
func (f *fields) extra() map[string]any {
	if f.err != nil {
		return nil
	}
	extra := map[string]any{}
	for _, key := range f.from.keys {
		if slices.Contains(f.known, key) {
			continue
		}
		v := f.from.named[key]
		extra[key] = f.free(key, v)
	}
	return extra
}

// free gives a value of the site's own as Go has it.
func (f *fields) free(key string, v value) any {
	t, ok := v.data.(*table)
	if !ok {
		return v.data
	}
	if len(t.list) > 0 && len(t.keys) > 0 {
		f.fail(v.line, "%s has both list items and named fields; a table of your own is one of the two", key)
		return nil
	}
	if len(t.list) > 0 {
		list := make([]any, 0, len(t.list))
		for _, item := range t.list {
			list = append(list, f.free(key, item))
		}
		return list
	}
	named := map[string]any{}
	for _, inner := range t.keys {
		named[inner] = f.free(key+"."+inner, t.named[inner])
	}
	return named
}
