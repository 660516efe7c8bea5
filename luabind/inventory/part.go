package inventory

import "strconv"

// Part is what Parse makes of Subset(names), without the way through text: for
// a machine that is simulated in this process.
func (inv *Inventory) Part(names []string) *Inventory {
	shipped := inv.closure(names)
	part := Empty()
	for _, row := range inv.rows {
		if shipped[row.Name] {
			part.addRow(row.shipped(shipped))
		}
	}
	for _, g := range inv.groups {
		if kept := among(inv.members[g.name], shipped); len(kept) > 0 {
			part.groups = append(part.groups, &group{name: g.name, words: kept})
			part.members[g.name] = kept
		}
	}
	return part
}

// shipped is the row as another machine gets it: its secrets stay at the desk.
func (r *Row) shipped(with map[string]bool) *Row {
	row := *r
	row.After = among(r.After, with)
	row.Password = kept(r.Name, "password", r.Password)
	row.Extra, _ = keptWithin(r.Name, "", r.Extra).(map[string]any)
	if r.BMC != nil {
		bmc := *r.BMC
		bmc.Password = kept(r.Name, "bmc.password", r.BMC.Password)
		bmc.Extra, _ = keptWithin(r.Name, "bmc", r.BMC.Extra).(map[string]any)
		row.BMC = &bmc
	}
	return &row
}

// kept is what stands for a secret elsewhere.
func kept(row, path string, ref SecretRef) SecretRef {
	if ref.IsZero() {
		return ref
	}
	return SecretRef{Source: "desk", Name: deskName(row, path)}
}

func keptWithin(row, path string, data any) any {
	switch d := data.(type) {
	case SecretRef:
		return kept(row, path, d)
	case map[string]any:
		named := make(map[string]any, len(d))
		for key, inner := range d {
			named[key] = keptWithin(row, joinPath(path, key), inner)
		}
		return named
	case []any:
		list := make([]any, len(d))
		for i, inner := range d {
			list[i] = keptWithin(row, joinPath(path, strconv.Itoa(i+1)), inner)
		}
		return list
	}
	return data
}

// among leaves out the machines that are not shipped.
func among(names []string, shipped map[string]bool) []string {
	var rest []string
	for _, name := range names {
		if shipped[name] {
			rest = append(rest, name)
		}
	}
	return rest
}
