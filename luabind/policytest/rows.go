package policytest

import (
	"maps"

	"ctys/luabind/inventory"
	"ctys/primitives/sim"
)

// rowsText is the inventory that a world's machines are written down in: what
// the world knows of them, and what the test says besides.
type rowsText struct{ further map[string]map[string]any }

func (r *rowsText) add(name string, row map[string]any) {
	if r.further == nil {
		r.further = map[string]map[string]any{}
	}
	r.further[name] = row
}

// file is the text of a machines.lua.
func (r *rowsText) file(world *sim.World) ([]byte, error) {
	rows := map[string]any{}
	for _, name := range world.Names() {
		machine, _ := world.Machine(name)
		row := map[string]any{"address": name, "mac": machine.MAC.String(), "uuid": machine.UUID}
		if machine.Parent != "" {
			row["parent"] = machine.Parent
		}
		if machine.BMC != nil {
			row["bmc"] = map[string]any{"host": machine.BMC.Host, "user": bmcUser}
		}
		maps.Copy(row, r.further[name])
		rows[name] = row
	}
	text, err := inventory.DataText(rows)
	return []byte("return " + text), err
}
