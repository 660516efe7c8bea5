package inventory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"ctys/primitives"
)

const findOp = "inventory.find"

// systemDir holds what a machine's administrator wrote for all its users.
const systemDir = "/etc/ctys"

// Find says which machines.lua is in force: explicit (--inventory), else what
// $CTYS_INVENTORY names, else the user's ($XDG_CONFIG_HOME/ctys, where that is
// not set ~/.config/ctys), else the system's (/etc/ctys). A file that was named
// and is not there is an error; of the other two none need exist, and then
// found is false.
func Find(explicit string) (path string, found bool, err error) {
	return find("machines.lua", explicit, "CTYS_INVENTORY", systemDir)
}

// FindSite is Find for site.lua, with $CTYS_SITE.
func FindSite(explicit string) (path string, found bool, err error) {
	return find("site.lua", explicit, "CTYS_SITE", systemDir)
}

func find(file, explicit, variable, system string) (string, bool, error) {
	for _, named := range []struct{ path, by string }{
		{explicit, ""},
		{os.Getenv(variable), " (named by $" + variable + ")"},
	} {
		if named.path == "" {
			continue
		}
		found, err := exists(named.path)
		if err == nil && !found {
			err = primitives.Errorf(primitives.Invalid, findOp, "", "%s does not exist%s", named.path, named.by)
		}
		return named.path, found, err
	}
	for _, dir := range []string{userDir(), system} {
		if dir == "" {
			continue
		}
		path := filepath.Join(dir, file)
		if found, err := exists(path); found || err != nil {
			return path, found, err
		}
	}
	return "", false, nil
}

// userDir is the user's own folder of settings; empty where there is no home.
// A relative $XDG_CONFIG_HOME is ignored, as the XDG Base Directory
// Specification demands.
func userDir() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ctys")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".config", "ctys")
	}
	return ""
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil, primitives.Wrap(findOp, "", "it cannot be told whether the file is there", err)
}
