package main

import (
	"io/fs"
	"os"
	"path/filepath"

	"ctys/luabind/inventory"
)

// systemDir holds the scripts that a machine's administrator wrote for all.
const systemDir = "/etc/ctys"

// searchPath is where scripts and modules are looked for before the embedded
// ones: $CTYS_PATH, the user's folder of settings, the system's.
func searchPath() []fs.FS {
	var path []fs.FS
	for _, dir := range searchDirs() {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			path = append(path, os.DirFS(dir))
		}
	}
	return path
}

func searchDirs() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("CTYS_PATH")) {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if dir := userDir(); dir != "" {
		dirs = append(dirs, dir)
	}
	return append(dirs, systemDir)
}

// groupsPath is where group files are looked for: $CTYS_GROUPS_PATH, then
// groups in the user's folder of settings and in the system's.
func groupsPath() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("CTYS_GROUPS_PATH")) {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if dir := userDir(); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "groups"))
	}
	return append(dirs, filepath.Join(systemDir, "groups"))
}

// userDir is the user's folder of settings; a relative $XDG_CONFIG_HOME is
// ignored, as the XDG Base Directory Specification demands.
func userDir() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ctys")
	}
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".config", "ctys")
	}
	return ""
}

// loadSite reads the inventory and the settings in force.
func loadSite(explicit string) (*inventory.Inventory, *inventory.Site, error) {
	machines, site := inventory.Empty(), inventory.DefaultSite()
	path, found, err := inventory.Find(explicit)
	if err == nil && found {
		machines, err = inventory.Load(asFile(path))
	}
	if err != nil {
		return nil, nil, err
	}
	path, found, err = inventory.FindSite("")
	if err == nil && found {
		site, err = inventory.LoadSite(path)
	}
	return machines, site, err
}

// asFile lets --inventory and -p name the folder of a machines.lua too.
func asFile(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "machines.lua")
	}
	return path
}
