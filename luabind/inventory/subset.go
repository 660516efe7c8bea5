package inventory

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Subset writes a machines.lua for another host: the rows of that names, those
// above them (parent, and the machine that speaks to their BMC), and the
// groups, as far as their machines are among these. Names that the inventory
// does not have are left out. Secrets become secret.desk references, which
// ResolveForDesk answers. The text is data that Parse reads, and the same for
// the same names.
func (inv *Inventory) Subset(names []string) []byte {
	w := &writer{shipped: inv.closure(names)}
	w.out.WriteString("return {\n")
	for _, row := range inv.rows {
		if w.shipped[row.Name] {
			w.row(row)
		}
	}
	for _, g := range inv.groups {
		w.group(g.name, inv.members[g.name])
	}
	w.out.WriteString("}\n")
	return w.out.Bytes()
}

func (inv *Inventory) closure(names []string) map[string]bool {
	shipped := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		row := inv.byName[name]
		if row == nil || shipped[name] {
			return
		}
		shipped[name] = true
		add(row.Parent)
		if row.BMC != nil {
			add(row.BMC.Via)
		}
	}
	for _, name := range names {
		add(name)
	}
	return shipped
}

// writer writes rows as Lua source.
type writer struct {
	shipped map[string]bool
	out     bytes.Buffer
	name    string // of the row that is being written
}

func (w *writer) row(row *Row) {
	w.name = row.Name
	fmt.Fprintf(&w.out, "  %s = {\n", keyText(row.Name))
	w.text("address", row.Address)
	if !row.MAC.IsZero() {
		w.text("mac", row.MAC.String())
	}
	w.text("uuid", row.UUID)
	w.text("parent", row.Parent)
	w.texts("hypervisors", row.Hypervisors)
	w.text("become", row.Become)
	w.text("user", row.User)
	w.text("identity", row.Identity)
	w.whole("port", row.Port)
	w.secret("password", "password", row.Password)
	w.bmc(row.BMC)
	w.text("label", row.Label)
	w.text("path", row.Path)
	if row.Deadline > 0 {
		w.field("deadline", numberText(float64(row.Deadline)/float64(time.Second)))
	}
	w.text("at_deadline", row.AtDeadline)
	w.texts("after", among(row.After, w.shipped))
	w.whole("stage", row.Stage)
	w.texts("way", row.Way)
	w.whole("limit", row.Limit)
	w.whole("limit_per_hypervisor", row.LimitPerHypervisor)
	w.text("broadcast", row.Broadcast)
	w.whole("broadcast_port", row.BroadcastPort)
	w.text("interface", row.Interface)
	w.extra("", row.Extra)
	w.out.WriteString("  },\n")
}

func (w *writer) bmc(bmc *BMC) {
	if bmc == nil {
		return
	}
	w.out.WriteString("    bmc = {\n")
	w.text("host", bmc.Host)
	w.whole("port", bmc.Port)
	w.text("user", bmc.User)
	w.secret("password", "bmc.password", bmc.Password)
	w.text("via", bmc.Via)
	w.extra("bmc", bmc.Extra)
	w.out.WriteString("    },\n")
}

func (w *writer) group(name string, members []string) {
	if kept := among(members, w.shipped); len(kept) > 0 {
		fmt.Fprintf(&w.out, "  %s = %s,\n", keyText(name), listText(kept))
	}
}

func (w *writer) field(key, lua string) {
	fmt.Fprintf(&w.out, "    %s = %s,\n", keyText(key), lua)
}

func (w *writer) text(key, text string) {
	if text != "" {
		w.field(key, quoted(text))
	}
}

func (w *writer) texts(key string, texts []string) {
	if texts != nil { // an empty list says that there is none
		w.field(key, listText(texts))
	}
}

func (w *writer) whole(key string, n int) {
	if n != 0 {
		w.field(key, numberText(float64(n)))
	}
}

func (w *writer) secret(key, path string, ref SecretRef) {
	if !ref.IsZero() {
		w.field(key, w.desk(path))
	}
}

func (w *writer) desk(path string) string {
	return "secret.desk(" + quoted(deskName(w.name, path)) + ")"
}

func (w *writer) extra(path string, extra map[string]any) {
	for _, key := range sortedKeys(extra) {
		w.field(key, w.free(joinPath(path, key), extra[key]))
	}
}

// free writes a value of the site's own.
func (w *writer) free(path string, data any) string {
	switch d := data.(type) {
	case string:
		return quoted(d)
	case float64:
		return numberText(d)
	case bool:
		return fmt.Sprintf("%t", d)
	case SecretRef:
		return w.desk(path)
	case []any:
		return w.list(path, d)
	case map[string]any:
		return w.fields(path, d)
	}
	return "nil"
}

func (w *writer) list(path string, list []any) string {
	items := make([]string, 0, len(list))
	for i, item := range list {
		items = append(items, w.free(joinPath(path, fmt.Sprint(i+1)), item))
	}
	return "{ " + strings.Join(items, ", ") + " }"
}

func (w *writer) fields(path string, named map[string]any) string {
	var items []string
	for _, key := range sortedKeys(named) {
		items = append(items, keyText(key)+" = "+w.free(joinPath(path, key), named[key]))
	}
	return "{ " + strings.Join(items, ", ") + " }"
}

func listText(texts []string) string {
	items := make([]string, 0, len(texts))
	for _, text := range texts {
		items = append(items, quoted(text))
	}
	return "{ " + strings.Join(items, ", ") + " }"
}
