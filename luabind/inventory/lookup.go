package inventory

import (
	"fmt"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"ctys/primitives"
)

const lookupOp = "inventory.lookup"

// addressKinds are the ways to address a machine, by every name that a
// sub-option may use for them.
var addressKinds = map[string]func(*Inventory, string) ([]*Row, error){
	"L": (*Inventory).byLabel, "LABEL": (*Inventory).byLabel,
	"T": (*Inventory).byTCP, "TCP": (*Inventory).byTCP,
	"M": (*Inventory).byMAC, "MAC": (*Inventory).byMAC,
	"U": (*Inventory).byUUID, "UUID": (*Inventory).byUUID,
	"F": (*Inventory).byFile, "FNAME": (*Inventory).byFile, "FILENAME": (*Inventory).byFile,
	"I": (*Inventory).byPath, "ID": (*Inventory).byPath, "P": (*Inventory).byPath,
	"PNAME": (*Inventory).byPath, "PATHNAME": (*Inventory).byPath,
	"DR": (*Inventory).byRecord, "DBREC": (*Inventory).byRecord, "DBRECORD": (*Inventory).byRecord,
	"B": (*Inventory).byBase, "BASE": (*Inventory).byBase, "BASEPATH": (*Inventory).byBase,
}

// Lookup finds the machines that an address names, in the order of the file:
//
//	L, LABEL                    the label, whole; a row without one is called by its name
//	T, TCP                      IP address or name: the row's address or its own name
//	M, MAC                      any notation
//	U, UUID                     without regard to case and dashes
//	F, FNAME, FILENAME          the end of the path, by whole components
//	I, ID, P, PNAME, PATHNAME   the path, absolute
//	B, BASE, BASEPATH           everything whose path lies below this absolute folder
//	DR, DBREC, DBRECORD         the record: 1 for the first machine in the file
//
// A name without a dot also finds "name.domain" where nothing is called so
// exactly. What is found by nothing is an empty list; a value that cannot be
// of its kind is primitives.Invalid.
func (inv *Inventory) Lookup(kind, value string) ([]*Row, error) {
	find := addressKinds[strings.ToUpper(kind)]
	if find == nil {
		return nil, primitives.Errorf(primitives.Invalid, lookupOp, "", "%q is no kind of address (accepted: %s)", kind, strings.Join(kinds(), ", "))
	}
	rows, err := find(inv, value)
	if err == nil && value == "" {
		err = fmt.Errorf("the value is missing")
	}
	if err != nil {
		return nil, primitives.Errorf(primitives.Invalid, lookupOp, "", "%s: %v", strings.ToUpper(kind), err)
	}
	return rows, nil
}

func kinds() []string {
	var names []string
	for name := range addressKinds {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (inv *Inventory) where(matches func(*Row) bool) []*Row {
	var rows []*Row
	for _, row := range inv.rows {
		if matches(row) {
			rows = append(rows, row)
		}
	}
	return rows
}

func (inv *Inventory) byLabel(label string) ([]*Row, error) {
	return inv.where(func(row *Row) bool {
		return row.Label == label || row.Label == "" && row.Name == label
	}), nil
}

func (inv *Inventory) byTCP(host string) ([]*Row, error) {
	if why := hostFault(host); why != "" {
		return nil, fmt.Errorf("%q is no address: %s (%s)", host, why, acceptedHost)
	}
	exact := inv.where(func(row *Row) bool {
		return row.Address != "" && sameHost(row.Address, host) || sameHost(row.Name, host)
	})
	if len(exact) > 0 || strings.ContainsAny(host, ".:") {
		return exact, nil
	}
	dotted := hostKey(host) + "."
	return inv.where(func(row *Row) bool {
		return strings.HasPrefix(hostKey(row.Address), dotted) || strings.HasPrefix(hostKey(row.Name), dotted)
	}), nil
}

func (inv *Inventory) byMAC(text string) ([]*Row, error) {
	mac, err := primitives.ParseMAC(text)
	if err != nil {
		return nil, err
	}
	return inv.where(func(row *Row) bool { return !mac.IsZero() && row.MAC == mac }), nil
}

func (inv *Inventory) byUUID(text string) ([]*Row, error) {
	uuid, err := parseUUID(text)
	if err != nil {
		return nil, err
	}
	return inv.where(func(row *Row) bool { return row.UUID == uuid }), nil
}

func (inv *Inventory) byFile(name string) ([]*Row, error) {
	end := filepath.Clean("/" + name)
	if end == "/" {
		return nil, fmt.Errorf("%q is no file name", name)
	}
	return inv.where(func(row *Row) bool { return strings.HasSuffix(row.Path, end) }), nil
}

func (inv *Inventory) byPath(path string) ([]*Row, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q is no absolute path", path)
	}
	clean := filepath.Clean(path)
	return inv.where(func(row *Row) bool { return row.Path == clean }), nil
}

func (inv *Inventory) byBase(folder string) ([]*Row, error) {
	if !filepath.IsAbs(folder) {
		return nil, fmt.Errorf("%q is no absolute path", folder)
	}
	below := strings.TrimSuffix(filepath.Clean(folder), "/") + "/"
	return inv.where(func(row *Row) bool { return strings.HasPrefix(row.Path, below) }), nil
}

func (inv *Inventory) byRecord(digits string) ([]*Row, error) {
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q is no record number (accepted: 1 to %d)", digits, len(inv.rows))
	}
	if n > len(inv.rows) {
		return nil, nil
	}
	return []*Row{inv.rows[n-1]}, nil
}
