package main

import (
	"context"
	"io"
	"io/fs"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
	"ctys/luabind/inventory"
)

// named runs a script that was found by its name, with the arguments that its
// head declares and no more power than that head names.
func (a *app) named(options form.Options, name string, argv []string) int {
	path := a.path()
	source, err := luabind.Find(path, name)
	if err != nil {
		return a.refuse(&form.Error{Option: name, Message: "there is no command or script of this name; ctys script ls lists them, ctys help tells more"})
	}
	defer a.catchInterruptions()()
	loaded, err := luabind.Load(path, source)
	if err != nil {
		return a.refuse(err)
	}
	return a.action(options, loaded, path, source, argv)
}

// action calls a script's action in the form of a helper command.
func (a *app) action(options form.Options, loaded *luabind.Loaded, path []fs.FS, source luabind.Source, argv []string) int {
	head := loaded.Head
	own, rest, err := form.General(argv, head.Owns)
	if err != nil {
		return a.refuse(err)
	}
	options = options.Merge(own)
	if options.Help || asksForHelp(head, rest) {
		io.WriteString(a.stdout, head.Text())
		return exitReached
	}
	arguments, err := head.Parse(rest)
	if err != nil {
		return a.refuse(err)
	}
	machines, site, err := loadSite(options.Inventory)
	if err != nil {
		return a.refuse(err)
	}
	f, targets, err := namedTargets(options, head, arguments, machines)
	if err != nil {
		return a.refuse(err)
	}
	a.showMasters(source, head)
	return a.inParts(f, targets, func(part []target, plan bool) int {
		request := map[string]any{
			"action": source.Name, "arguments": arguments, "argv": anyList(rest), "targets": targetList(part), "options": generalOptions(options),
		}
		ses := a.open(setup{
			loaded: loaded, authority: head.Authority(), path: path, inventory: machines, site: site, options: options,
			sources: []luabind.Source{source}, request: request, plan: plan || head.Plans(arguments), summary: true,
		})
		return ses.do(func(ctx context.Context) (int, error) { return ses.call(ctx, source.Name, request) })
	})
}

// namedTargets are the machines that the TARGETs of a script mean, where its
// head has such an argument.
func namedTargets(options form.Options, head luabind.Head, arguments map[string]any, machines *inventory.Inventory) (*form.Form, []target, error) {
	var words []string
	if name, takes := head.Targets(); takes {
		given, _ := arguments[name].([]any)
		for _, word := range given {
			words = append(words, word.(string))
		}
	}
	f, err := form.Named(options, words)
	if err != nil {
		return nil, nil, err
	}
	targets, err := targetsOf(f, machines)
	return f, targets, err
}

// asksForHelp finds -h where the script has no such option of its own.
func asksForHelp(head luabind.Head, argv []string) bool {
	return len(argv) > 0 && argv[0] == "-h" && !head.Owns("-h")
}

// call calls the action of a script and reads the exit code that it returns.
func (s *session) call(ctx context.Context, script string, request any) (int, error) {
	result, err := s.runtime.CallScript(ctx, script, "action", request)
	if err != nil {
		return 0, err
	}
	return exitIn(result)
}

// exitIn reads the field exit of what an action returned.
func exitIn(result any) (int, error) {
	fields, ok := result.(map[string]any)
	if !ok {
		return exitReached, nil
	}
	switch exit := fields["exit"].(type) {
	case nil:
		return exitReached, nil
	case float64:
		if exit >= 0 && exit <= 255 && exit == float64(int(exit)) {
			return int(exit), nil
		}
	}
	return 0, luabind.Errorf(luabind.Internal, "ctys", "", "the action returned an exit that is no whole number from 0 to 255")
}

// generalOptions are the options of a call as a script sees them, and who calls.
func generalOptions(o form.Options) map[string]any {
	options := map[string]any{"by": account(), "plan": o.Plan, "yes": o.Yes, "json": o.JSON, "verbose": o.Verbose, "terse": o.Terse}
	if o.Output != "" {
		options["output"] = o.Output
	}
	if o.Limit > 0 {
		options["limit"] = o.Limit
	}
	if o.Deadline > 0 {
		options["deadline"] = o.Deadline.Seconds()
	}
	return options
}

// targetOptions are the options of one target as a script sees them.
func targetOptions(o form.Options) map[string]any {
	options := generalOptions(o)
	options["ambiguous"] = o.Ambiguous
	options["agent"] = o.Agent
	if len(o.Become) > 0 {
		options["become"] = lowerList(o.Become)
	}
	if o.Given("z") {
		options["pty"] = o.PTY
	}
	if o.User != "" {
		options["user"] = o.User
	}
	if len(o.Types) > 0 {
		options["types"] = anyList(o.Types)
	}
	if len(o.Background) > 0 {
		options["background"] = anyList(o.Background)
	}
	return options
}

func anyList(words []string) []any {
	list := make([]any, len(words))
	for i, word := range words {
		list[i] = word
	}
	return list
}

func lowerList(words []string) []any {
	list := make([]any, len(words))
	for i, word := range words {
		list[i] = strings.ToLower(word)
	}
	return list
}

// showMasters says before a site's own script runs that it may do anything: its
// head asks for a power that is as good as all of them.
func (a *app) showMasters(source luabind.Source, head luabind.Head) {
	if masters := head.MasterKeys(); !source.Stock && len(masters) > 0 {
		a.hint([]string{"the script " + source.Name + " may do anything: its head touches " + strings.Join(masters, ", ")})
	}
}

// hint writes lines for the user that are no part of the result.
func (a *app) hint(lines []string) {
	for _, line := range lines {
		io.WriteString(a.stderr, "ctys: note: "+oneLine(line)+"\n")
	}
}

func (a *app) warn(text string) { io.WriteString(a.stderr, "ctys: warning: "+oneLine(text)+"\n") }
