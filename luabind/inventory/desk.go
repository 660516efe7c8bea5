package inventory

import (
	"sort"
	"strconv"
	"strings"
)

// own notes every secret of a row under the name by which a far agent asks for
// it: the row's name, a colon, and the path of keys.
func (inv *Inventory) own(row *Row) {
	inv.ownOne(row.Name, "password", row.Password)
	if row.BMC != nil {
		inv.ownOne(row.Name, "bmc.password", row.BMC.Password)
		inv.ownAll(row.Name, "bmc", row.BMC.Extra)
	}
	inv.ownAll(row.Name, "", row.Extra)
}

func (inv *Inventory) ownOne(row, path string, ref SecretRef) {
	if !ref.IsZero() {
		inv.secrets[deskName(row, path)] = ownedSecret{ref, row}
	}
}

func (inv *Inventory) ownAll(row, path string, data any) {
	switch d := data.(type) {
	case SecretRef:
		inv.ownOne(row, path, d)
	case map[string]any:
		for key, inner := range d {
			inv.ownAll(row, joinPath(path, key), inner)
		}
	case []any:
		for i, inner := range d {
			inv.ownAll(row, joinPath(path, strconv.Itoa(i+1)), inner)
		}
	}
}

func deskName(row, path string) string { return row + ":" + path }

// joinPath keeps two different paths different: a dot within a key is escaped.
func joinPath(path, key string) string {
	key = strings.NewReplacer(`\`, `\\`, ".", `\.`).Replace(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

func sortedKeys(data map[string]any) []string {
	keys := make([]string, 0, len(data))
	for key := range data {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
