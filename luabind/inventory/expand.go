package inventory

import (
	"fmt"
	"sort"
	"strings"

	"ctys/primitives"
)

const expandOp = "inventory.expand"

// Expand turns what a user types into names: ranges (bmc[001-100,200], zeros
// in front are kept, several brackets multiply), @group, @all, and what a "!"
// takes out again, wherever it stands. Doubles are dropped and the order kept.
// A word that is no machine of the inventory stays as typed.
//
// It never gives nothing for something: an empty list of targets means "this
// host", so words that come to no machine are an error. All errors are
// primitives.Invalid.
func (inv *Inventory) Expand(words []string) ([]string, error) {
	set := newSelection()
	for _, word := range words {
		names, minus, err := expandWord(word)
		if err == nil {
			err = inv.choose(set, names, minus)
		}
		if err != nil {
			return nil, primitives.Errorf(primitives.Invalid, expandOp, "", "%q: %v", word, err)
		}
	}
	if err := inv.strayMinus(set); err != nil {
		return nil, primitives.Errorf(primitives.Invalid, expandOp, "", "%v", err)
	}
	names := set.names()
	if len(names) == 0 && len(words) > 0 {
		return nil, primitives.Errorf(primitives.Invalid, expandOp, "", "no machine is left of %s", strings.Join(words, " "))
	}
	return names, nil
}

func (inv *Inventory) choose(set *selection, names []string, minus bool) error {
	for _, name := range names {
		members := []string{name}
		if strings.HasPrefix(name, "@") {
			found := false
			if members, found = inv.members[name]; !found {
				return fmt.Errorf("there is no group %s in the inventory (%s)", name, inv.knownGroups())
			}
		}
		if err := set.apply(members, minus); err != nil {
			return err
		}
	}
	return nil
}

// strayMinus finds a name that is taken out, was never in, and is unknown: a
// slip of the pen there would leave the machine in that was to be spared.
func (inv *Inventory) strayMinus(set *selection) error {
	if len(set.out) == 0 {
		return nil
	}
	chosen := map[string]bool{}
	for _, name := range set.order {
		chosen[machineOf(name)] = true
	}
	var stray []string
	for name := range set.out {
		if !chosen[name] && inv.byName[name] == nil {
			stray = append(stray, "!"+name)
		}
	}
	if len(stray) == 0 {
		return nil
	}
	sort.Strings(stray)
	return fmt.Errorf("%s takes nothing out: no such name is among the targets or in the inventory", strings.Join(stray, ", "))
}

func (inv *Inventory) knownGroups() string {
	return "known: " + strings.Join(append(inv.Groups(), All), ", ")
}
