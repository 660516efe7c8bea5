package luabind

import (
	"io/fs"
	"slices"
	"strings"

	"ctys/scripts"
)

// TestSuffix is what the name of a test has behind that of the script that it
// tests: cancel_test.lua stands beside cancel.lua.
const TestSuffix = "_test"

func isTest(name string) bool { return strings.HasSuffix(name, TestSuffix) }

// Tests gives the names of the tests in a search path and in the stock, sorted:
// "cancel_test", "drivers.podman_test".
func Tests(path []fs.FS) []string {
	found := map[string]bool{}
	for _, dir := range append(slices.Clone(path), stock...) {
		for _, folder := range []string{".", driversFolder} {
			entries, err := fs.ReadDir(dir, folder)
			if err != nil {
				continue
			}
			for _, entry := range entries {
				name, isLua := strings.CutSuffix(entry.Name(), ".lua")
				if !isLua || entry.IsDir() || !isTest(name) {
					continue
				}
				if folder == driversFolder {
					name = driversFolder + "." + name
				}
				found[name] = true
			}
		}
	}
	return sortedNames(found)
}

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
			if isLua && !entry.IsDir() && !isData(entry.Name()) && !isTest(name) {
				found[name] = true
			}
		}
	}
	return sortedNames(found)
}
