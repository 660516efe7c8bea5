// Package group finds the machines that the TARGETs of a command line mean:
// ranges, the groups of the inventory, and files of targets. It contacts
// nothing.
package group

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind/inventory"
)

// Resolver knows what names may mean.
type Resolver struct {
	Inventory *inventory.Inventory
	Path      []string // folders of group files; the first that has a name wins
}

// Member is one machine of a request.
type Member struct {
	Name    string
	User    string       // empty where none was typed for it
	Options form.Options // of the parentheses that hold for it; the innermost win
}

// most bounds what ranges and groups of one request may come to.
const most = 100_000

// Resolve gives the members that targets stand for, in their order; one that
// several targets name comes as often. A name that begins with "@" is a group
// of the inventory, else a group file; any other is a machine of the inventory,
// else a group file, else a host name. What a "!" takes out is out wherever it
// stands. Targets that come to nothing are an error, as an empty list means
// this host. Errors are *form.Error and name the target, those about a group
// file its file and line too.
func (r *Resolver) Resolve(targets []form.Target) ([]Member, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	found := &selection{resolver: r}
	for _, target := range targets {
		if err := found.add(target); err != nil {
			return nil, refuse(target.Text, err)
		}
	}
	if err := found.stray(); err != nil {
		return nil, refuse(found.strayed, err)
	}
	members := found.left()
	if len(members) == 0 {
		words := make([]string, len(targets))
		for i, target := range targets {
			words[i] = target.Text
		}
		return nil, refuse(strings.Join(words, " "), fmt.Errorf("no machine is left"))
	}
	return members, nil
}

func refuse(option string, err error) error {
	return &form.Error{Option: option, Message: err.Error()}
}

// selection collects the members of one request or of one group file.
type selection struct {
	resolver *Resolver
	open     []string // group files that lead to where we are
	members  []Member
	out      map[string]bool
	strayed  string
}

// add takes one target in, or out where it begins with "!".
func (s *selection) add(target form.Target) error {
	host, minus := strings.CutPrefix(target.Host, "!")
	names, err := inventory.Ranges(host)
	if err != nil {
		return err
	}
	for _, name := range names {
		members, err := s.named(name)
		if err != nil {
			return err
		}
		if minus {
			s.takeOut(members)
			continue
		}
		for _, member := range members {
			if member.User == "" && member.Options.User == "" { // the innermost wins
				member.User = target.User
			}
			member.Options = target.Options.Merge(member.Options)
			s.members = append(s.members, member)
		}
		if len(s.members) > most {
			return fmt.Errorf("this comes to more than %d machines", most)
		}
	}
	return nil
}

// named gives what one name means.
func (s *selection) named(name string) ([]Member, error) {
	inv := s.resolver.Inventory
	if group, isGroup := strings.CutPrefix(name, "@"); isGroup {
		if names, found := inv.Members(name); found {
			return membersOf(names), nil
		}
		members, found, err := s.file(group)
		if err == nil && !found {
			err = fmt.Errorf("there is no group %s, neither in the inventory (known: %s) nor as a group file (looked for in %s)",
				name, strings.Join(append(inv.Groups(), inventory.All), ", "), s.resolver.folders())
		}
		return members, err
	}
	if inv.Row(name) == nil {
		if members, found, err := s.file(name); found || err != nil {
			return members, err
		}
	}
	return []Member{{Name: name}}, nil
}

func membersOf(names []string) []Member {
	members := make([]Member, len(names))
	for i, name := range names {
		members[i].Name = name
	}
	return members
}

func (r *Resolver) folders() string {
	if len(r.Path) == 0 {
		return "no folder"
	}
	return strings.Join(r.Path, ", ")
}

func (s *selection) takeOut(members []Member) {
	if s.out == nil {
		s.out = map[string]bool{}
	}
	for _, member := range members {
		s.out[member.Name] = true
	}
}

func (s *selection) left() []Member {
	return slices.DeleteFunc(slices.Clone(s.members), func(m Member) bool { return s.out[m.Name] })
}

// stray finds a name that is taken out, was never in, and is unknown: a slip of
// the pen there would leave the machine in that was to be spared.
func (s *selection) stray() error {
	in := map[string]bool{}
	for _, member := range s.members {
		in[member.Name] = true
	}
	var names []string
	for name := range s.out {
		if !in[name] && s.resolver.Inventory.Row(name) == nil {
			names = append(names, "!"+name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	s.strayed = strings.Join(names, ", ")
	return fmt.Errorf("takes nothing out: no such name is among the targets or in the inventory")
}
