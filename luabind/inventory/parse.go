package inventory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ctys/primitives"
)

const loadOp = "inventory.load"

// Load reads a machines.lua. Its errors are primitives.Invalid, but for a file
// that cannot be read, which has the kind of the system's error.
func Load(path string) (*Inventory, error) {
	text, err := readFile(loadOp, path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse reads the text of a machines.lua; name is what errors call it, and its
// folder is where relative names of secret files start.
func Parse(name string, text []byte) (*Inventory, error) {
	src := source{loadOp, name}
	root, err := evaluate(src, text)
	if err != nil {
		return nil, err
	}
	inv := Empty()
	inv.Path, inv.Dir = name, filepath.Dir(name)
	checks := &checker{inv: inv, src: src}
	if err := inv.decode(src, root, checks); err != nil {
		return nil, err
	}
	if err := checks.run(); err != nil {
		return nil, err
	}
	return inv, nil
}

func (inv *Inventory) decode(src source, root *table, checks *checker) error {
	if len(root.list) > 0 {
		return src.at(root.list[0].line, "%s stands without a name (machines are written NAME = { … }, groups [\"@NAME\"] = { \"a\", \"b\" })", describe(root.list[0]))
	}
	for _, name := range root.keys {
		v := root.named[name]
		inner, ok := v.data.(*table)
		if !ok {
			return src.at(v.line, "%s must be a table, { … }, and is %s", name, describe(v))
		}
		if strings.HasPrefix(name, "@") {
			if err := inv.addGroup(src, name, v.line, inner); err != nil {
				return err
			}
			continue
		}
		if !validName(name) {
			return src.at(v.line, "%s is no name for a machine (accepted: letters, digits, \"-\", \"_\" and \".\", a letter or digit first)", quoted(name))
		}
		row, f := decodeRow(src, name, inner)
		if f.err != nil {
			return f.err
		}
		row.Line = v.line
		inv.addRow(row)
		checks.rows = append(checks.rows, f)
	}
	return nil
}

func (inv *Inventory) addRow(row *Row) {
	inv.rows = append(inv.rows, row)
	row.Record = len(inv.rows)
	inv.byName[row.Name] = row
	if row.Parent != "" {
		inv.children[row.Parent] = append(inv.children[row.Parent], row)
	}
	inv.members[All] = append(inv.members[All], row.Name)
	inv.own(row)
}

// readFile reads a file of bounded size, with an error that says what to do.
func readFile(op, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, primitives.Errorf(primitives.Invalid, op, "", "%s is a folder, not a file", path)
	}
	if err == nil && info.Size() > maxSource {
		return nil, primitives.Errorf(primitives.Invalid, op, "", "%s is larger than %d MiB", path, maxSource>>20)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	switch {
	case err == nil:
		return text, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, primitives.Errorf(primitives.Invalid, op, "", "%s does not exist", path)
	}
	return nil, primitives.Wrap(op, "", "the file cannot be read", err)
}
