package luabind

import (
	"io/fs"
	"slices"
	"strings"

	"ctys/scripts"
)

// Scripts gives the names of the scripts that stand at the top of a search
// path and among the stock ones, sorted. A name may belong to a module that
// only other scripts use; its head tells.
func Scripts(path []fs.FS) []string {
	found := map[string]bool{}
	for _, dir := range append(slices.Clone(path), scripts.FS) {
		entries, err := fs.ReadDir(dir, ".")
		if err != nil {
			continue
		}
		for _, entry := range entries {
			name, isLua := strings.CutSuffix(entry.Name(), ".lua")
			if isLua && !entry.IsDir() && !isData(entry.Name()) {
				found[name] = true
			}
		}
	}
	return sortedNames(found)
}
