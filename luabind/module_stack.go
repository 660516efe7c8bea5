package luabind

import (
	"context"
	"slices"
	"strings"

	"ctys/primitives"
	"ctys/primitives/stack"

	lua "github.com/yuin/gopher-lua"
)

var stackErrors = []primitives.Kind{primitives.Unreachable, primitives.Denied, primitives.Timeout, primitives.Unsupported, primitives.Internal}

// stackModule speaks to hypervisors and their guests.
func (rt *Runtime) stackModule() *Module {
	return &Module{
		Name: "stack",
		Help: "The hypervisors of a host and what runs on them.",
		Functions: []Function{
			{
				Name: "hypervisors", Help: "The hypervisors that answer on a host. One that exists and does not answer raises; it is never left out.",
				Options: []Param{{Name: "host", Type: String, Help: "through SSH; this machine where left out"},
					{Name: "partial", Type: Boolean, Help: "one that does not answer is in the list, with a problem, and does not raise"}},
				Result: `a list of {uri=…, type="qemu"|"lxc"|"test"|"xen"|"qmp"|a driver's name, version=…, problem=…}`, Errors: stackErrors,
				Example: `for _, h in ipairs(stack.hypervisors()) do print(h.uri) end`,
				Op: &Operation{Effect: Read, Object: rt.stackHost,
					Do: func(ctx context.Context, c *Call) (any, error) {
						list, err := rt.caps.Stack.Hypervisors(ctx, c.String("host"))
						if len(list) > 0 && c.Bool("partial") {
							return list, nil
						}
						return list, err
					}},
			},
			{
				Name: "managers", Help: "The cluster managers of a host and the guests that each keeps running. One that exists and does not answer is in the list, with a problem.",
				Options: []Param{{Name: "host", Type: String, Help: "through SSH; this machine where left out"}},
				Result:  `a list of {name="pacemaker"|"proxmox-ha", owns={{guest=its hypervisor's name for it, resource=its manager's}, …}, problem=…}`, Errors: stackErrors,
				Example: `for _, m in ipairs(stack.managers()) do print(m.name, #m.owns) end`,
				Op: &Operation{Effect: Read, Object: rt.stackHost,
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.Stack.Managers(ctx, c.String("host")) }},
			},
			{
				Name: "list", Help: "All guests of a hypervisor, running or not.",
				Options: []Param{{Name: "uri", Type: String, Required: true}},
				Result:  "a list of guest handles", Errors: stackErrors,
				Example: `for _, g in ipairs(stack.list{uri = "qemu:///system"}) do print(g.name, g.state) end`,
				Op: &Operation{Effect: Read, Object: func(c *Call) string { return "hypervisor " + c.String("uri") },
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.Stack.List(ctx, c.String("uri")) }},
				Return: func(c *Call, result any) lua.LValue { return rt.guestList(c, result.([]stack.Guest)) },
			},
		},
		Handles: []HandleType{{
			Name:    "guest",
			Help:    "A guest: uri, uuid, name, type, state, id, persistent, autostart, agent, asks (the mode to ask it with; nil: as is usual for its type), managed_by (a cloud that its definition names as its owner), macs, addresses, witness as they were seen at the time `at`.",
			Methods: rt.guestMethods(),
		}},
	}
}

func (rt *Runtime) stackHost(c *Call) string {
	if host := c.String("host"); host != "" {
		return machineObject(host)
	}
	return rt.here()
}

// guestModes are the ways in which a guest is asked.
var guestModes = []string{string(stack.ModeACPI), string(stack.ModeAgent), string(stack.ModeInitctl), string(stack.ModeSignal), string(stack.ModeSystemd), string(stack.ModeParavirt)}

func (rt *Runtime) guestMethods() []Function {
	mode := Param{Name: "mode", Type: String, Required: true, OneOf: guestModes, Help: "there is no default on purpose"}
	ask := func(call func(Stack, context.Context, stack.Ref, stack.Mode) error) func(context.Context, *Call) (any, error) {
		return func(ctx context.Context, c *Call) (any, error) {
			return nil, call(rt.caps.Stack, ctx, guestOf(c).Ref, stack.Mode(c.String("mode")))
		}
	}
	do := func(call func(Stack, context.Context, stack.Ref) error) func(context.Context, *Call) (any, error) {
		return func(ctx context.Context, c *Call) (any, error) {
			return nil, call(rt.caps.Stack, ctx, guestOf(c).Ref)
		}
	}
	return []Function{
		{
			Name: "refresh", Help: "Looks at the guest again.", Result: "a new guest handle", Errors: stackErrors,
			Example: `g = g:refresh()`,
			Op: rt.guestRead(func(ctx context.Context, c *Call) (any, error) {
				return rt.caps.Stack.Inspect(ctx, guestOf(c).Ref)
			}),
			Return: func(c *Call, result any) lua.LValue { return rt.guestValue(c, result.(stack.Guest)) },
		},
		{
			Name: "await", Help: "Waits until the guest is in one of the states, by the word of its hypervisor.",
			Options: []Param{
				{Name: "states", Type: List, Required: true, OneOf: guestStates()},
				{Name: "deadline", Type: Seconds, Required: true},
			},
			Result: "a new guest handle; raises kind timeout with the last state seen", Errors: stackErrors,
			Example: `g = g:await{states = {"off"}, deadline = 180}`,
			Op:      rt.guestAwait(),
			Return:  func(c *Call, result any) lua.LValue { return rt.guestValue(c, result.(stack.Guest)) },
		},
		{
			Name: "shutdown", Help: "Asks the guest to go down; it may take its time, or ignore it.", Options: []Param{mode}, Result: "nothing",
			Errors: stackErrors, Example: `g:shutdown{mode = "acpi"}`, Op: rt.guestWrite(Write, stack.Off, ask(Stack.Shutdown)),
		},
		{
			Name: "reboot", Help: "Asks the guest to reboot.", Options: []Param{mode}, Result: "nothing",
			Errors: stackErrors, Example: `g:reboot{mode = "acpi"}`, Op: rt.guestWrite(WriteOnce, stack.Running, ask(Stack.Reboot)),
		},
		{
			Name: "reset", Help: "Resets the guest at once, without asking it.", Result: "nothing",
			Errors: stackErrors, Example: `g:reset()`, Op: rt.guestWrite(WriteOnce, stack.Running, do(Stack.Reset)),
		},
		{
			Name: "destroy", Help: "Cuts the guest off at once, without asking it. Its definition stays.", Result: "nothing",
			Errors: stackErrors, Example: `g:destroy()`, Op: rt.guestWrite(WriteOnce, stack.Off, do(Stack.Destroy)),
		},
		{
			Name: "start", Help: "Starts the guest.", Result: "nothing",
			Errors: stackErrors, Example: `g:start()`, Op: rt.guestWrite(Write, stack.Running, do(Stack.Start)),
		},
		{
			Name: "suspend", Help: "Stops the guest's processors; it stays in memory.", Result: "nothing",
			Errors: stackErrors, Example: `g:suspend()`, Op: rt.guestWrite(Write, stack.Paused, do(Stack.Suspend)),
		},
		{
			Name: "resume", Help: "Lets a suspended guest go on.", Result: "nothing",
			Errors: stackErrors, Example: `g:resume()`, Op: rt.guestWrite(Write, stack.Running, do(Stack.Resume)),
		},
		{
			Name: "managed_save", Help: "Saves the guest's memory to disk and takes it off; its next start resumes it.", Result: "nothing",
			Errors: stackErrors, Example: `g:managed_save()`, Op: rt.guestWrite(WriteOnce, stack.Saved, do(Stack.ManagedSave)),
		},
	}
}

func guestOf(c *Call) stack.Guest { return c.Self.Data.(stack.Guest) }

func guestStates() []string {
	return []string{string(stack.Running), string(stack.Paused), string(stack.ShuttingDown), string(stack.Off), string(stack.Saved), string(stack.Suspended), string(stack.Crashed)}
}

func guestID(ref stack.Ref) string { return ref.URI + " " + ref.UUID }

// carrier is the machine that a hypervisor's URI names.
func (rt *Runtime) carrier(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	host, _, _ := strings.Cut(rest, "/")
	if _, after, found := strings.Cut(host, "@"); found {
		host = after
	}
	if host == "" {
		return rt.here()
	}
	return machineObject(host)
}

// within names what takes a guest with it when it goes off: the machine that
// carries it, and the machine that it is itself in the inventory.
func (rt *Runtime) within(guest stack.Guest) []string {
	names := []string{rt.carrier(guest.URI)}
	if rows, err := rt.options.Inventory.Lookup("U", guest.UUID); err == nil && len(rows) == 1 {
		names = append(names, machineObject(rows[0].Name))
	}
	return names
}

func (rt *Runtime) guestOperation(effect Effect) *Operation {
	return &Operation{
		Effect:   effect,
		Property: PropertyState,
		Object:   func(c *Call) string { return guestID(guestOf(c).Ref) },
		Within:   func(c *Call) []string { return rt.within(guestOf(c)) },
	}
}

func (rt *Runtime) guestRead(do func(context.Context, *Call) (any, error)) *Operation {
	operation := rt.guestOperation(Read)
	operation.Do = do
	operation.Answer = func(c *Call, left any) any { return leftGuest(guestOf(c), left) }
	return operation
}

// leftGuest is the guest as a plan's earlier steps would have left it.
func leftGuest(guest stack.Guest, left any) stack.Guest {
	switch state := left.(type) {
	case stack.State:
		guest.State = state
	case string:
		guest.State = stack.State(state)
	}
	return guest
}

func (rt *Runtime) guestAwait() *Operation {
	operation := rt.guestRead(func(ctx context.Context, c *Call) (any, error) {
		ctx, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
		defer cancel()
		return rt.caps.Stack.Await(ctx, guestOf(c).Ref, wantedStates(c)...)
	})
	operation.Settled = func(c *Call, left any) bool {
		return slices.Contains(wantedStates(c), leftGuest(stack.Guest{}, left).State)
	}
	operation.Peek = func(ctx context.Context, c *Call) (any, error) {
		return rt.caps.Stack.Inspect(ctx, guestOf(c).Ref)
	}
	return operation
}

func wantedStates(c *Call) []stack.State {
	words := c.Strings("states")
	states := make([]stack.State, len(words))
	for i, word := range words {
		states[i] = stack.State(word)
	}
	return states
}

func (rt *Runtime) guestWrite(effect Effect, leaves stack.State, do func(context.Context, *Call) (any, error)) *Operation {
	operation := rt.guestOperation(effect)
	operation.Do = do
	operation.Leaves = func(*Call) any { return leaves }
	operation.Destructive = leaves != stack.Running || effect == WriteOnce
	if leaves != stack.Running { // a hypervisor may show a guest that was reset as the same run of it
		operation.Witness = rt.guestWitness
	}
	return operation
}

func (rt *Runtime) guestWitness(ctx context.Context, c *Call) string {
	guest, err := rt.caps.Stack.Inspect(ctx, guestOf(c).Ref)
	if err != nil {
		return ""
	}
	return guest.Witness
}

// guestValue gives a guest to a script.
func (rt *Runtime) guestValue(c *Call, guest stack.Guest) lua.LValue {
	value := c.NewHandle("guest", guestID(guest.Ref), guest, lua.LNil)
	handle := value.(*lua.LUserData).Value.(*Handle)
	handle.Record, handle.Name = guest, guest.Name
	return value
}

// asPlanned is a guest as the plan so far would have left it.
func (rt *Runtime) asPlanned(guest stack.Guest) stack.Guest {
	if left, ok := rt.overlay.left(guestID(guest.Ref), rt.within(guest), PropertyState); ok {
		return leftGuest(guest, left)
	}
	return guest
}

func (rt *Runtime) guestList(c *Call, guests []stack.Guest) lua.LValue {
	list := rt.root.CreateTable(len(guests), 0)
	for i, guest := range guests {
		if rt.options.Plan {
			guest = rt.asPlanned(guest)
		}
		list.RawSetInt(i+1, rt.guestValue(c, guest))
	}
	return list
}
