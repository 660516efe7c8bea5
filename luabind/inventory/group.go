package inventory

import (
	"errors"
	"fmt"
	"strings"

	"ctys/primitives"
)

// group is a named list of words: machines, ranges, other groups, and what is
// taken out again.
type group struct {
	name  string
	line  int
	words []string
	lines []int // of the words
}

func (inv *Inventory) addGroup(src source, name string, line int, from *table) error {
	if name == All {
		return src.at(line, "%s is the group of every machine and cannot be defined", All)
	}
	if !validName(name[1:]) {
		return src.at(line, "%s is no name for a group (accepted: \"@\", then letters, digits, \"-\", \"_\" and \".\", a letter or digit first)", quoted(name))
	}
	if len(from.keys) > 0 {
		return src.at(from.named[from.keys[0]].line, "%s: a group is a list of names, { \"a\", \"b\" }, and has the field %s", name, from.keys[0])
	}
	g := &group{name: name, line: line}
	for _, item := range from.list {
		word, ok := item.data.(string)
		if !ok || word == "" {
			return src.at(item.line, "%s: a member must be a name in quotes, and is %s", name, describe(item))
		}
		g.words = append(g.words, word)
		g.lines = append(g.lines, item.line)
	}
	inv.groups = append(inv.groups, g)
	return nil
}

// groupWalk expands groups that name groups, each once.
type groupWalk struct {
	inv    *Inventory
	src    source
	byName map[string]*group
	open   []string // the chain that leads to where we are
}

// expandGroups fills members and finds names that are not there, and circles.
func (inv *Inventory) expandGroups(src source) error {
	walk := &groupWalk{inv: inv, src: src, byName: map[string]*group{}}
	for _, g := range inv.groups {
		walk.byName[g.name] = g
	}
	for _, g := range inv.groups {
		if err := walk.visit(g); err != nil {
			return err
		}
	}
	return nil
}

func (w *groupWalk) visit(g *group) error {
	if _, done := w.inv.members[g.name]; done {
		return nil
	}
	for i, name := range w.open {
		if name == g.name {
			return w.src.at(g.line, "%s contains itself: %s", g.name, strings.Join(append(w.open[i:], g.name), " > "))
		}
	}
	w.open = append(w.open, g.name)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	set := newSelection()
	for i, word := range g.words {
		if err := w.member(set, word); err != nil {
			var positioned *primitives.Error
			if errors.As(err, &positioned) {
				return err
			}
			return w.src.at(g.lines[i], "%s: %v", g.name, err)
		}
	}
	w.inv.members[g.name] = set.names()
	return nil
}

// member adds one word. What it returns is positioned where it comes from an
// inner group, and plain where it is about the word itself.
func (w *groupWalk) member(set *selection, word string) error {
	names, minus, err := expandWord(word)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "@") {
			if inner := w.byName[name]; inner != nil {
				if err := w.visit(inner); err != nil {
					return err
				}
			}
			if members, found := w.inv.members[name]; found {
				if err := set.apply(members, minus); err != nil {
					return err
				}
				continue
			}
			return fmt.Errorf("there is no group %s here", name)
		}
		if w.inv.byName[name] == nil {
			return fmt.Errorf("the member %q is no machine of this inventory", name)
		}
		if err := set.apply([]string{name}, minus); err != nil {
			return err
		}
	}
	return nil
}
