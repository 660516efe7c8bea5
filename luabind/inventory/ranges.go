package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxDigits bounds a number in a range.
const maxDigits = 9

// expandWord takes one word apart: whether it takes out ("!"), and the names
// that its ranges stand for.
func expandWord(word string) (names []string, minus bool, err error) {
	rest, minus := strings.CutPrefix(word, "!")
	if rest == "" {
		return nil, minus, errors.New("a name is missing")
	}
	names, err = expandRanges(rest)
	return names, minus, err
}

// Ranges gives the names that the ranges of one word stand for: bmc[001-100,200]
// are 101. A word without any is its own only name. What it names, "@" before it
// or not, is for the caller to find.
func Ranges(word string) ([]string, error) {
	names, minus, err := expandWord(word)
	if err == nil && minus {
		err = errors.New(`"!" does not belong here`)
	}
	return names, err
}

// expandRanges multiplies out the brackets of a word, the last one fastest.
func expandRanges(word string) ([]string, error) {
	parts, err := splitRanges(word)
	if err != nil {
		return nil, err
	}
	total := 1
	for _, part := range parts {
		if total *= part.count(); total > maxExpanded {
			return nil, fmt.Errorf("this comes to more than %d names", maxExpanded)
		}
	}
	names := []string{""}
	for _, part := range parts {
		names = part.appendTo(names)
	}
	return names, nil
}

// rangePart is a piece of a word: fixed text, or spans of numbers.
type rangePart struct {
	text  string
	spans []span
}

// span is low to high, written with at least width digits.
type span struct{ low, high, width int }

func (p rangePart) count() int {
	if p.spans == nil {
		return 1
	}
	n := 0
	for _, s := range p.spans {
		if n += s.high - s.low + 1; n > maxExpanded {
			return maxExpanded + 1
		}
	}
	return n
}

func (p rangePart) appendTo(heads []string) []string {
	names := make([]string, 0, len(heads)*p.count())
	for _, head := range heads {
		if p.spans == nil {
			names = append(names, head+p.text)
		}
		for _, s := range p.spans {
			for n := s.low; n <= s.high; n++ {
				names = append(names, fmt.Sprintf("%s%0*d", head, s.width, n))
			}
		}
	}
	return names
}

func splitRanges(word string) ([]rangePart, error) {
	var parts []rangePart
	for word != "" {
		open := strings.IndexAny(word, "[]")
		if open < 0 {
			return append(parts, rangePart{text: word}), nil
		}
		if word[open] == ']' {
			return nil, errors.New(`"]" has no "[" before it`)
		}
		if open > 0 {
			parts = append(parts, rangePart{text: word[:open]})
		}
		length := strings.IndexAny(word[open+1:], "[]")
		if length < 0 || word[open+1+length] == '[' {
			return nil, errors.New(`"[" is not closed by "]"`)
		}
		inside := word[open+1 : open+1+length]
		part, err := bracket(inside)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		word = word[open+length+2:]
	}
	return parts, nil
}

// bracket reads what stands between "[" and "]". An IPv6 address in brackets
// is a host, not a range.
func bracket(inside string) (rangePart, error) {
	if strings.Contains(inside, ":") {
		if _, err := netip.ParseAddr(inside); err == nil {
			return rangePart{text: "[" + inside + "]"}, nil
		}
	}
	if inside == "" {
		return rangePart{}, errors.New(`"[]" is empty (accepted: [1-8], [001-100,200])`)
	}
	var part rangePart
	for _, item := range strings.Split(inside, ",") {
		s, err := parseSpan(item)
		if err != nil {
			return rangePart{}, err
		}
		part.spans = append(part.spans, s)
	}
	return part, nil
}

func parseSpan(item string) (span, error) {
	from, to, isRange := strings.Cut(item, "-")
	if !isRange {
		to = from
	}
	low, err := rangeNumber(from, item)
	if err != nil {
		return span{}, err
	}
	high, err := rangeNumber(to, item)
	if err != nil {
		return span{}, err
	}
	if low > high {
		return span{}, fmt.Errorf("%q counts down; write it as %s-%s", item, to, from)
	}
	if strings.HasPrefix(to, "0") && len(to) != len(from) {
		return span{}, fmt.Errorf("%q: both ends must have as many digits where there are zeros in front", item)
	}
	return span{low, high, len(from)}, nil
}

func rangeNumber(digits, item string) (int, error) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no number or range of numbers (accepted: [1-8], [001-100,200])", item)
	}
	if len(digits) > maxDigits {
		return 0, fmt.Errorf("%q: a number has at most %d digits", item, maxDigits)
	}
	n, err := strconv.Atoi(digits)
	return n, err
}
