package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Sorted gives names as people sort them: lab2 before lab10, and of equal
// numbers the one with fewer zeros in front first. Doubles are dropped.
func Sorted(names []string) []string {
	list := make([]keyed, len(names))
	for i, name := range names {
		list[i] = keyed{sortKey(name), name}
	}
	slices.SortFunc(list, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	sorted := make([]string, len(list))
	for i, item := range list {
		sorted[i] = item.name
	}
	return slices.Compact(sorted)
}

type keyed struct{ key, name string }

// sortKey is text whose bytes sort as the name does: each piece of text has an
// end that sorts before all else, each number its length before its digits.
func sortKey(name string) string {
	key := make([]byte, 0, len(name)+16)
	for name != "" {
		text := digitsFrom(name)
		if text > 0 {
			key = append(append(key, name[:text]...), 0)
		}
		digits := len(name[text:]) - len(strings.TrimLeft(name[text:], numerals))
		if digits > 0 {
			key = appendNumber(key, name[text:text+digits])
		}
		name = name[text+digits:]
	}
	return string(key)
}

const numerals = "0123456789"

// digitsFrom is where the first number of a text begins, else its end.
func digitsFrom(text string) int {
	if at := strings.IndexAny(text, numerals); at >= 0 {
		return at
	}
	return len(text)
}

func appendNumber(key []byte, digits string) []byte {
	value := strings.TrimLeft(digits, "0")
	return fmt.Appendf(key, "0%06d%s%06d", len(value), value, len(digits)-len(value))
}

// Fold gives few words that stand for many names: names that differ in their
// last number only become one word with a range ("bmc[001-098,100]"), the
// others stay. Expand reads each word back. The words are sorted as Sorted has
// it, by the first name of each.
func Fold(names []string) []string {
	var groups []*folded
	byEnds := map[[2]string]*folded{}
	for _, name := range Sorted(names) {
		head, digits, tail, ok := lastNumber(name)
		if !ok {
			groups = append(groups, &folded{head: name})
			continue
		}
		group := byEnds[[2]string{head, tail}]
		if group == nil {
			group = &folded{head: head, tail: tail}
			byEnds[[2]string{head, tail}] = group
			groups = append(groups, group)
		}
		group.add(digits)
	}
	words := make([]string, len(groups))
	for i, group := range groups {
		words[i] = group.word()
	}
	return words
}

// lastNumber takes a name apart around its last number. What a range could not
// be read back from has none: more digits than one takes, or brackets.
func lastNumber(name string) (head, digits, tail string, ok bool) {
	end := strings.LastIndexAny(name, numerals) + 1
	begin := len(strings.TrimRight(name[:end], numerals))
	if end == 0 || end-begin > maxDigits || strings.ContainsAny(name, "[]") {
		return "", "", "", false
	}
	return name[:begin], name[begin:end], name[end:], true
}

// folded is the names that differ in one number; without runs the head is the
// whole name.
type folded struct {
	head, tail string
	runs       []numbers
}

// numbers are some of which each is one more than the last, in its width.
type numbers struct {
	from, to string
	last     int
}

func (f *folded) add(digits string) {
	number, _ := strconv.Atoi(digits) // of at most maxDigits digits
	if len(f.runs) > 0 {
		last := &f.runs[len(f.runs)-1]
		if number == last.last+1 && digits == fmt.Sprintf("%0*d", len(last.from), number) {
			last.to, last.last = digits, number
			return
		}
	}
	f.runs = append(f.runs, numbers{digits, digits, number})
}

func (f *folded) word() string {
	if len(f.runs) == 0 {
		return f.head
	}
	if len(f.runs) == 1 && f.runs[0].from == f.runs[0].to {
		return f.head + f.runs[0].from + f.tail
	}
	spans := make([]string, len(f.runs))
	for i, some := range f.runs {
		spans[i] = some.from
		if some.to != some.from {
			spans[i] += "-" + some.to
		}
	}
	return f.head + "[" + strings.Join(spans, ",") + "]" + f.tail
}
