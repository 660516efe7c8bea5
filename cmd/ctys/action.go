package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/cmd/ctys/group"
	"ctys/luabind"
	"ctys/luabind/inventory"
)

// form carries out a command line of the ctys form: the script that the action
// names, on the targets.
func (a *app) form(argv []string) int {
	f, err := form.Parse(argv)
	if err != nil {
		return a.refuse(err)
	}
	switch {
	case f.Options.Version:
		return a.version(f.Options, nil)
	case f.Options.Help:
		return a.help(f.Options, nonEmpty(helpTopic(f)))
	case len(f.Unsupported) > 0:
		return a.refuse(notInThisVersion(f.Unsupported[0]))
	}
	defer a.catchInterruptions()()
	machines, site, err := loadSite(f.Options.Inventory)
	if err != nil {
		return a.refuse(err)
	}
	targets, err := targetsOf(f, machines)
	if err != nil {
		return a.refuse(err)
	}
	path := a.path()
	source, err := luabind.Find(path, f.Action)
	if err != nil {
		return a.refuse(&form.Error{Option: "-a " + f.Action, Message: "there is no such action; ctys script ls lists them"})
	}
	loaded, err := luabind.Load(path, source)
	if err != nil {
		return a.refuse(err)
	}
	head := loaded.Head
	a.showMasters(source, head)
	return a.inParts(f, targets, func(part []target, plan bool) int {
		if done, exit := a.detached(f.For(form.Target{}).Async(), plan, f.Options); done {
			return exit
		}
		request := formRequest(f, part)
		hints := privileges(f, part)
		if !plan {
			a.hint(hints)
		}
		ses := a.open(setup{
			hints:  hints,
			loaded: loaded, authority: head.Authority(), path: path, inventory: machines, site: site, options: f.Options,
			sources: []luabind.Source{source}, request: request, plan: plan, summary: true,
		})
		return ses.do(func(ctx context.Context) (int, error) { return ses.call(ctx, f.Action, request) })
	})
}

// helpTopic is what -H names, else the action.
func helpTopic(f *form.Form) string {
	if f.Options.HelpTopic != "" {
		return f.Options.HelpTopic
	}
	return f.Action
}

// target is one machine of a request, after ranges and groups.
type target struct {
	name    string
	user    string
	options *form.Options // of the call and its own; without own ones, those of all such targets
}

// targetsOf finds the machines that were named. One that several words name is
// taken once, unless addresses may be ambiguous.
func targetsOf(f *form.Form, machines *inventory.Inventory) ([]target, error) {
	members, err := (&group.Resolver{Inventory: machines, Path: groupsPath()}).Resolve(f.Targets)
	if err != nil {
		return nil, err
	}
	var targets []target
	seen := map[string]bool{}
	common := f.For(form.Target{})
	for _, member := range members {
		options := &common
		if member.Options.Typed() {
			own := f.For(form.Target{Options: member.Options})
			options = &own
		}
		if left := options.Unsupported(); len(left) > 0 {
			return nil, notInThisVersion(left[0])
		}
		if options.Async() != f.For(form.Target{}).Async() {
			return nil, &form.Error{Option: "-b", Message: "async is for a whole call: type it before the targets"}
		}
		if !seen[member.Name] || options.Ambiguous {
			seen[member.Name] = true
			targets = append(targets, target{name: member.Name, user: cmp.Or(member.User, options.User), options: options})
		}
	}
	return targets, nil
}

func notInThisVersion(left form.Unsupported) error {
	return &form.Error{Option: left.Option, Message: "not in this version: " + left.Text}
}

// inParts carries out the targets that are only planned before the others: a
// plan that fails keeps the rest from being touched.
func (a *app) inParts(f *form.Form, targets []target, carryOut func(part []target, plan bool) int) int {
	planned := func(t target) bool { return t.options.Plan }
	all := f.For(form.Target{}).Plan
	if len(targets) > 0 {
		all = !slices.ContainsFunc(targets, func(t target) bool { return !planned(t) })
	}
	if all || !slices.ContainsFunc(targets, planned) {
		if err := a.resumed.sameTargets(targets); err != nil {
			return a.refuse(err)
		}
		return carryOut(targets, all)
	}
	var first, second []target
	for _, t := range targets {
		if planned(t) {
			first = append(first, t)
		} else {
			second = append(second, t)
		}
	}
	if err := a.resumed.sameTargets(second); err != nil {
		return a.refuse(err)
	}
	if exit := carryOut(first, true); exit != exitReached {
		return exit
	}
	return carryOut(second, false)
}

// formRequest is what the action's script gets.
func formRequest(f *form.Form, targets []target) map[string]any {
	request := map[string]any{
		"action": f.Action, "type": f.Type, "type_given": f.TypeGiven,
		"targets": targetList(targets), "options": targetOptions(f.For(form.Target{})), "arguments": map[string]any{},
	}
	if f.Subopts != "" {
		request["subopts"] = f.Subopts
	}
	if len(f.Types) > 0 {
		request["types"] = anyList(f.Types)
	}
	return request
}

// privileges are the lines about -Z and -z, which are read and checked and have
// no effect in this version.
func privileges(f *form.Form, targets []target) []string {
	if len(targets) == 0 {
		return privilegeLine("this host", f.For(form.Target{}))
	}
	var lines []string
	for _, t := range targets {
		lines = append(lines, privilegeLine(t.name, *t.options)...)
	}
	return lines
}

func privilegeLine(name string, o form.Options) []string {
	var words []string
	if len(o.Become) > 0 {
		words = append(words, "-Z "+strings.Join(o.Become, ","))
	}
	if o.PTY > 0 {
		words = append(words, "-z "+strconv.Itoa(o.PTY))
	}
	if len(words) == 0 {
		return nil
	}
	return []string{name + ": " + strings.Join(words, " ") + " has no effect in this version"}
}

// targetList is what a script gets as request.targets. Targets that have the
// same options share one table.
func targetList(targets []target) []any {
	list := make([]any, len(targets))
	tables := map[*form.Options]map[string]any{}
	for i, t := range targets {
		if tables[t.options] == nil {
			tables[t.options] = targetOptions(*t.options)
		}
		fields := map[string]any{"name": t.name, "options": tables[t.options]}
		if t.user != "" {
			fields["user"] = t.user
		}
		list[i] = fields
	}
	return list
}
