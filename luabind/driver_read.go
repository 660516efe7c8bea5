package luabind

import (
	"slices"
	"strings"

	"ctys/primitives/stack"

	lua "github.com/yuin/gopher-lua"
)

// driverKeys are what a driver's head may have.
var driverKeys = map[string]bool{"what": true, "runs": true, "source": true, "tested": true}

// howTested are the words for what a driver was tried on.
var howTested = []string{"real tool", "recorded output", "output written after its documentation"}

// isDriver tells a driver's name from that of a script or module.
func isDriver(name string) bool {
	bare := strings.TrimPrefix(name, "stock.")
	return strings.HasPrefix(bare, driversFolder+".") && strings.Count(bare, ".") == 1
}

// driverText is the help on a driver script.
func (h Head) driverText() string {
	name := h.Name[strings.LastIndexByte(h.Name, '.')+1:]
	return name + ": " + h.What + " (" + name + ":///system)\n" +
		"runs: " + strings.Join(h.Runs, ", ") + "\n" +
		"tested on: " + h.Tested + "\n" +
		"source: " + h.Source + "\n"
}

// driverReader reads what a driver script returned; the first fault stays.
type driverReader struct{ headReader }

func (r *driverReader) read(d *driver, name string, values []lua.LValue) {
	var script *lua.LTable
	if len(values) > 0 {
		script, _ = values[0].(*lua.LTable)
	}
	if script == nil {
		r.fault("a driver returns a table with head, states, list and what else it can do")
		return
	}
	fields, ok := script.RawGetString("head").(*lua.LTable)
	if !ok {
		r.fault("head is missing; accepted: a table with what, runs, source and tested")
		return
	}
	d.head.Name = name
	r.head(&d.head, fields)
	r.complete(d.head)
	r.ways(d, script)
	r.words(d, script)
	r.verbs(d, script)
}

// driver reads the fields that only the head of a driver has.
func (r *headReader) driver(head *Head, fields *lua.LTable) {
	head.Runs = r.texts(fields, "runs")
	head.Source = r.text(fields, "source")
	head.Tested = r.text(fields, "tested")
}

func (r *driverReader) complete(head Head) {
	switch {
	case head.What == "":
		r.fault("head.what is missing: one sentence")
	case len(head.Runs) == 0 || slices.ContainsFunc(head.Runs, func(prefix string) bool { return len(strings.Fields(prefix)) == 0 }):
		r.fault("head.runs is missing: what it may run, as in { \"podman ps\", \"podman kill\" }")
	case head.Source == "":
		r.fault("head.source is missing: the documentation of its tool")
	case !slices.ContainsFunc(howTested, func(how string) bool { return strings.HasPrefix(head.Tested, how) }):
		r.fault("head.tested is %q; accepted: \"%s\", and behind that what you like", head.Tested, strings.Join(howTested, `", "`))
	}
}

func (r *driverReader) ways(d *driver, script *lua.LTable) {
	d.kind = r.text(script, "type")
	if d.kind == "" {
		d.kind = d.name
	}
	d.onRequest = lua.LVAsBool(script.RawGetString("on_request"))
	d.givesWay = r.texts(script, "gives_way_to")
	for _, word := range r.texts(script, "asks") {
		if !slices.Contains(guestModes, word) {
			r.fault("asks has %q; accepted: %s", word, strings.Join(guestModes, ", "))
		}
		d.asks = append(d.asks, stack.Mode(word))
	}
}

// words reads which state each of the tool's words is.
func (r *driverReader) words(d *driver, script *lua.LTable) {
	table, ok := script.RawGetString("states").(*lua.LTable)
	if !ok {
		r.fault("states is missing; accepted: a table as { running = \"running\", exited = \"off\" }")
		return
	}
	d.states = map[string]stack.State{}
	table.ForEach(func(key, value lua.LValue) {
		if !slices.Contains(guestStates(), value.String()) {
			r.fault("states has %q for %q; accepted: %s (what is not there is unknown)", value.String(), key.String(), strings.Join(guestStates(), ", "))
		}
		d.states[key.String()] = stack.State(value.String())
	})
}

// driverWrites are the verbs that a driver may have, as methods of a guest.
var driverWrites = []string{"shutdown", "reboot", "reset", "destroy", "start", "suspend", "resume", "managed_save"}

func (r *driverReader) verbs(d *driver, script *lua.LTable) {
	d.probe = r.verb(script, "probe", d.onRequest, "parse")
	d.list = r.verb(script, "list", false, "each")
	d.state = r.verb(script, "state", true, "parse")
	d.verbs = driverVerbs{}
	for _, name := range driverWrites {
		if verb := r.verb(script, name, true, ""); verb != nil {
			d.verbs[strings.ReplaceAll(name, "_", "-")] = verb
		}
	}
	if len(d.asks) == 0 && (d.verbs["shutdown"] != nil || d.verbs["reboot"] != nil) {
		r.fault("asks is missing: the way in which it asks a guest to go down, %s", strings.Join(guestModes, ", "))
	}
}
