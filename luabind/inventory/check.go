package inventory

import (
	"strings"
)

// checker finds what is wrong between rows: names that lead nowhere, circles,
// and two machines that claim to be the same.
type checker struct {
	inv  *Inventory
	src  source
	rows []*fields // by record
}

func (c *checker) run() error {
	for _, check := range []func() error{c.names, c.parents, c.order, c.doubles} {
		if err := check(); err != nil {
			return err
		}
	}
	return c.inv.expandGroups(c.src)
}

// names checks what a row says about other rows.
func (c *checker) names() error {
	for i, row := range c.inv.rows {
		f := c.rows[i]
		if row.Parent != "" && c.inv.byName[row.Parent] == nil {
			return c.src.at(f.line("parent"), "%s: the parent %q is no machine of this inventory", row.Name, row.Parent)
		}
		for _, name := range row.After {
			if c.inv.byName[name] == nil {
				return c.src.at(f.line("after"), "%s: after names %q, which is no machine of this inventory", row.Name, name)
			}
		}
		if row.BMC == nil || row.BMC.Via == "" {
			continue
		}
		if c.inv.byName[row.BMC.Via] == nil {
			return c.src.at(f.line("bmc"), "%s.bmc: via names %q, which is no machine of this inventory", row.Name, row.BMC.Via)
		}
	}
	return nil
}

func (c *checker) parents() error {
	return c.circle("parent", "%s carries itself: %s", func(row *Row) []string {
		if row.Parent == "" {
			return nil
		}
		return []string{row.Parent}
	})
}

func (c *checker) order() error {
	return c.circle("after", "%s waits for itself: %s", func(row *Row) []string { return row.After })
}

// circle looks for a row that next leads back to.
func (c *checker) circle(key, message string, next func(*Row) []string) error {
	done := map[string]bool{}
	var chain []string
	var visit func(row *Row) error
	visit = func(row *Row) error {
		for i, name := range chain {
			if name == row.Name {
				return c.src.at(c.rows[row.Record-1].line(key), message, row.Name, strings.Join(append(chain[i:], row.Name), " > "))
			}
		}
		if done[row.Name] {
			return nil
		}
		chain = append(chain, row.Name)
		for _, name := range next(row) {
			if err := visit(c.inv.byName[name]); err != nil {
				return err
			}
		}
		chain = chain[:len(chain)-1]
		done[row.Name] = true
		return nil
	}
	for _, row := range c.inv.rows {
		if err := visit(row); err != nil {
			return err
		}
	}
	return nil
}

// doubles checks what must tell one machine from all others.
func (c *checker) doubles() error {
	seen := map[string]*Row{}
	for i, row := range c.inv.rows {
		identity := map[string]string{"uuid": row.UUID, "address": row.Address}
		if !row.MAC.IsZero() {
			identity["mac"] = row.MAC.String()
		}
		for _, key := range []string{"mac", "uuid", "address"} {
			text := identity[key]
			if text == "" {
				continue
			}
			mark := key + " " + hostKey(text)
			if first := seen[mark]; first != nil {
				return c.src.at(c.rows[i].line(key), "%s has the %s %s, which %s (line %d) has too", row.Name, key, text, first.Name, c.rows[first.Record-1].line(key))
			}
			seen[mark] = row
		}
	}
	return nil
}
