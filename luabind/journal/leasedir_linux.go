package journal

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// sharedLeases is where all accounts of a machine meet: /run/lock is there for
// lock files (file-hierarchy(7)), may be written by all, and is empty after a
// boot.
const sharedLeases = "/run/lock/ctys"

// sharedMode lets everybody make files, and only their owners remove them.
const sharedMode = os.ModeDir | os.ModeSticky | 0o777

// LeaseDir gives the folder for leases, made and tried: /run/lock/ctys, which
// all accounts share, else one of this account's own ($XDG_RUNTIME_DIR/ctys,
// else beside the journals). Then shared is false, runs of other accounts are
// not seen, and the caller says so. Where neither can be written the error is
// primitives.Denied.
func LeaseDir() (dir string, shared bool, err error) {
	if sharedFolder(sharedLeases) == nil {
		return sharedLeases, true, nil
	}
	const op = "lease.dir"
	dir = ownLeases()
	if dir == "" {
		return "", false, primitives.Errorf(primitives.Denied, op, "", "there is no place for leases: %s cannot be used, and neither XDG_RUNTIME_DIR nor HOME is set", sharedLeases)
	}
	if err := Try(dir); err != nil {
		return "", false, &primitives.Error{Kind: primitives.Denied, Op: op, Message: "neither " + sharedLeases + " nor " + dir + " can be written", Cause: err}
	}
	return dir, false, nil
}

func ownLeases() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ctys", "leases")
	}
	if base := stateBase(); base != "" {
		return filepath.Join(base, "leases")
	}
	return ""
}

// sharedFolder makes the folder where there is none and checks the one that is
// there: a link, or a folder that one account keeps to itself, is no place to
// meet.
func sharedFolder(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := makeShared(path); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		info, err = os.Lstat(path)
	}
	if err != nil {
		return err
	}
	if info.Mode() != sharedMode {
		return errors.New(path + " is no sticky folder that all may write")
	}
	return Try(path)
}

// makeShared lets the folder appear with its final mode.
func makeShared(path string) error {
	made, err := os.MkdirTemp(filepath.Dir(path), ".ctys-*")
	if err != nil {
		return err
	}
	defer os.Remove(made)
	if err := os.Chmod(made, sharedMode); err != nil {
		return err
	}
	return unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
}
