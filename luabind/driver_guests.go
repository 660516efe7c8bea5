package luabind

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"ctys/primitives"
	"ctys/primitives/exec"
	"ctys/primitives/stack"

	lua "github.com/yuin/gopher-lua"
)

// version asks whether the tool is there and answers; false: there is none. An
// answer that the driver does not understand is an error: what that tool carries
// is not seen, and not off.
func (d *driver) version(ctx context.Context, op string) (version string, there bool, err error) {
	result, err := d.run(ctx, op, d.probe, nil, "")
	if primitives.KindOf(err) == primitives.Unsupported {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	told, err := d.parse(ctx, op, d.probe, result, nil)
	version, there = told.(string)
	if err == nil && !there {
		err = d.fault(op, primitives.Internal, nil, "the driver %s does not understand what its tool answers: %s", d.name, excerpt(result.Stdout))
	}
	return version, there, err
}

// List is stack.Driver.
func (d *driver) List(ctx context.Context, op string) ([]stack.Listed, error) {
	result, err := d.run(ctx, op, d.list, nil, "")
	if err != nil {
		return nil, err
	}
	rows, err := d.rows(ctx, op, result)
	if err != nil {
		return nil, err
	}
	listed, seen := make([]stack.Listed, 0, len(rows)), map[string]bool{}
	for _, row := range rows {
		guest, err := d.guest(ctx, op, row)
		if err != nil {
			return nil, err
		}
		if seen[guest.UUID] {
			return nil, d.fault(op, primitives.Internal, nil, "two guests have the UUID %s", guest.UUID)
		}
		seen[guest.UUID] = true
		listed = append(listed, stack.Listed{Guest: guest, Native: row})
	}
	return listed, nil
}

// rows has each line or element of the list become a row. One that the driver
// does not understand is an error: it could be the guest that is looked for.
func (d *driver) rows(ctx context.Context, op string, result exec.Result) ([]map[string]any, error) {
	items, err := d.listItems(ctx, op, result)
	if err != nil {
		return nil, err
	}
	answers, err := d.call(ctx, op, d.items, items)
	if err != nil {
		return nil, err
	}
	var rows []map[string]any
	given, _ := answers.([]any)
	for i, answer := range given {
		switch row := answer.(type) {
		case map[string]any:
			rows = append(rows, row)
		case bool: // it was understood, and is no guest
		default:
			return nil, d.fault(op, primitives.Internal, nil, "the driver %s does not understand %s", d.name, excerpt(items[i]))
		}
	}
	return rows, nil
}

// listItems takes the output apart. A driver's own function for that must find
// something: it is for tools that greet.
func (d *driver) listItems(ctx context.Context, op string, result exec.Result) ([]any, error) {
	if d.list.parse != nil {
		output, err := d.parse(ctx, op, d.list, result, nil)
		items, isList := output.([]any)
		if err == nil && !isList {
			err = d.fault(op, primitives.Internal, nil, "the driver %s found no list in what its tool printed", d.name)
		}
		return items, err
	}
	output, err := d.list.decode(result.Stdout)
	items, isList := output.([]any)
	if err != nil || !isList {
		return nil, d.fault(op, primitives.Internal, err, "what the tool of %s lists is no list", d.name)
	}
	return items, nil
}

// eachItem calls the reader of list for each item: its row, false for one that
// is no guest, or a number for one that it does not understand.
func (d *driver) eachItem(L *lua.LState) int {
	items, answers := L.CheckTable(1), L.NewTable()
	for i := 1; i <= items.Len(); i++ {
		var answer lua.LValue = lua.LNumber(0)
		if i == 1 && d.list.header != "" {
			if d.hasHeader(L, items.RawGetInt(i)) {
				answer = lua.LFalse
			}
		} else if values, err := d.lua.rt.call(L, d.list.each, []lua.LValue{items.RawGetInt(i)}); err != nil {
			d.lua.rt.raise(L, err)
		} else if len(values) > 0 && (values[0] == lua.LFalse || values[0].Type() == lua.LTTable) {
			answer = values[0]
		}
		answers.Append(answer)
	}
	L.Push(answers)
	return 1
}

// hasHeader compares the first line with the pattern of the header.
func (d *driver) hasHeader(L *lua.LState, line lua.LValue) bool {
	find := d.lua.rt.root.GetField(d.lua.rt.root.GetGlobal("string"), "find")
	values, err := d.lua.rt.call(L, find.(*lua.LFunction), []lua.LValue{line, lua.LString(d.list.header)})
	return err == nil && len(values) > 0 && values[0] != lua.LNil
}

func excerpt(item any) string {
	const most = 120
	text := fmt.Sprint(item)
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// guest makes a guest of a row, and adds to the row what argv functions may ask
// for.
func (d *driver) guest(ctx context.Context, op string, row map[string]any) (stack.Guest, error) {
	guest := stack.Guest{Ref: stack.Ref{URI: d.uri}, Type: d.kind, Persistent: true, At: d.clock.Now()}
	if len(d.asks) > 0 {
		guest.Asks = d.asks[0]
	}
	if guest.Name, _ = row["name"].(string); guest.Name == "" {
		return guest, d.fault(op, primitives.Internal, nil, "the driver %s gave a guest without a name", d.name)
	}
	uuid, err := d.identity(row, guest.Name)
	if err != nil {
		return guest, d.fault(op, primitives.Internal, err, "guest %s", guest.Name)
	}
	guest.UUID, row["uuid"] = uuid, uuid
	d.complete(ctx, op, row)
	d.describe(&guest, row)
	guest.State, guest.Cause = d.stateOf(row)
	return guest, nil
}

// identity is the tool's own UUID, else one made of what it calls the guest.
func (d *driver) identity(row map[string]any, name string) (string, error) {
	if own, given := row["uuid"].(string); given {
		return stack.CanonicalUUID(own)
	}
	if key, given := row["identity"].(string); given {
		name = key
	}
	return stack.NameUUID(d.uri, name), nil
}

// complete asks for the state of a guest that the list does not tell. Where that
// fails, its state is unknown; the others are known nevertheless.
func (d *driver) complete(ctx context.Context, op string, row map[string]any) {
	if d.state == nil || row["status"] != nil {
		return
	}
	result, err := d.run(ctx, op, d.state, row, "")
	var told any
	if err == nil {
		told, err = d.parse(ctx, op, d.state, result, row)
	}
	if err != nil {
		row["trouble"] = err.Error()
	}
	more, _ := told.(map[string]any)
	for key, value := range more {
		if key != "uuid" && key != "identity" {
			row[key] = value
		}
	}
}

func (d *driver) describe(guest *stack.Guest, row map[string]any) {
	if kind, ok := row["type"].(string); ok {
		guest.Type = kind
	}
	if id, ok := row["id"].(float64); ok && id > 0 && id < 1<<31 {
		guest.ID = int(id)
	}
	if persistent, ok := row["persistent"].(bool); ok {
		guest.Persistent = persistent
	}
	guest.Autostart, _ = row["autostart"].(bool)
	guest.Agent, _ = row["agent"].(bool)
	guest.Witness, _ = row["witness"].(string)
	for _, text := range words(row["macs"]) {
		if mac, err := primitives.ParseMAC(text); err == nil {
			guest.MACs = append(guest.MACs, mac)
		}
	}
	for _, text := range words(row["addresses"]) {
		if address, err := netip.ParseAddr(text); err == nil && !address.IsLoopback() && !address.IsLinkLocalUnicast() {
			guest.Addresses = append(guest.Addresses, address.Unmap())
		}
	}
}

// words are the strings of a list.
func words(value any) (texts []string) {
	list, _ := value.([]any)
	for _, element := range list {
		if text, ok := element.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// stateOf is where no driver can round: a word that its table does not have is
// unknown, and so is none at all.
func (d *driver) stateOf(row map[string]any) (stack.State, string) {
	word, given := row["status"].(string)
	if state, known := d.states[word]; given && known {
		return state, ""
	}
	if trouble, failed := row["trouble"].(string); failed {
		return stack.Unknown, trouble
	}
	if !given {
		return stack.Unknown, "the driver " + d.name + " tells no state of it"
	}
	return stack.Unknown, fmt.Sprintf("the state %q of %s is not known", word, d.name)
}

// Ask is stack.Driver.
func (d *driver) Ask(ctx context.Context, op string, guest stack.Listed, verb string, mode stack.Mode) error {
	entry := d.verbs[verb]
	if entry == nil || mode != "" && !slices.Contains(d.asks, mode) {
		way := verb
		if mode != "" {
			way += " by " + string(mode)
		}
		return d.fault(op, primitives.Unsupported, nil, "guest %s: the driver %s has no %s", guest.Name, d.name, way)
	}
	_, err := d.run(ctx, op, entry, guest.Native, string(mode))
	return err
}
