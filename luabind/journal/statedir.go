package journal

import (
	"os"
	"path/filepath"

	"ctys/primitives"
)

// systemState is where root's runs go when root has no home: a service has
// none.
const systemState = "/var/lib/ctys"

// StateDir gives the folder that journals go to, made and tried:
// $XDG_STATE_HOME/ctys/jobs, where that is not set ~/.local/state/ctys/jobs,
// for root without a home /var/lib/ctys/jobs. Where it cannot be written the
// error is primitives.Denied and says why; what a run may do without a journal
// is for the caller to decide. The folder is given beside the error where it is
// known: what is in it may still be read.
func StateDir() (string, error) {
	const op = "journal.statedir"
	base := stateBase()
	if base == "" {
		return "", primitives.Errorf(primitives.Denied, op, "", "there is no place for journals: set HOME or XDG_STATE_HOME, or give --journal")
	}
	dir := filepath.Join(base, "jobs")
	if err := Try(dir); err != nil {
		return dir, &primitives.Error{Kind: primitives.Denied, Op: op, Message: dir + " cannot be written (give another with --journal)", Cause: err}
	}
	return dir, nil
}

// stateBase ignores relative paths, as the XDG Base Directory Specification
// demands.
func stateBase() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ctys")
	}
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "ctys")
	}
	if os.Geteuid() == 0 {
		return systemState
	}
	return ""
}

// Try makes a folder and a file in it, which it removes: permissions alone do
// not tell of a read-only or full file system.
func Try(dir string) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = writeAll(file, []byte("x"))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}
