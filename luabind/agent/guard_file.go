package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// A guard's file is the snapshot of a bridge. While the guard stands, it is
// there; whoever restores, or disarms, has it locked (flock(2)); and it is
// renamed when it was restored, and removed when it was disarmed.

// doneSuffix is what a file's name gets when its bridge was restored.
const doneSuffix = ".done"

// maxSnapshot bounds what is read of a file: one with a thousand ports is
// smaller.
const maxSnapshot = 8 << 20

// unusedGuardFile gives a name that no guard of the run has had.
func unusedGuardFile(folder string) (path string, number int) {
	for number = 1; ; number++ {
		path = filepath.Join(folder, fmt.Sprintf("guard-%d.json", number))
		if !exists(path) && !exists(path+doneSuffix) {
			return path, number
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// errFileGone says that a guard's file is no longer there: done, or disarmed.
var errFileGone = errors.New("the file is gone")

// openGuardFile does not go through a link, which may lead to a file of somebody
// else, and does not wait for a writer of what is no file.
func openGuardFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errFileGone
	}
	return file, err
}

// lockGuardFile opens a file for whoever is to be the only one that deals with
// it, and waits for another one. errFileGone where there is none any more.
func lockGuardFile(ctx context.Context, clock primitives.Clock, path string) (*os.File, error) {
	file, err := openGuardFile(path)
	if err != nil {
		return nil, err
	}
	err = lockWhole(ctx, clock, file)
	if err == nil && !isStill(file, path) {
		err = errFileGone
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func lockWhole(ctx context.Context, clock primitives.Clock, file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if err := clock.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// isStill tells whether path is the file that is open.
func isStill(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(open, named)
}

// readGuardFile reads a file that only this account can have written: whoever
// writes it says how the machine's network shall be.
func readGuardFile(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	folder, err := os.Stat(filepath.Dir(file.Name()))
	if err != nil {
		return nil, err
	}
	if !isOursAlone(info) {
		return nil, fmt.Errorf("it must belong to account %d and be writable by it alone, and does not or is not (%s)", os.Geteuid(), info.Mode())
	}
	if !isOursAlone(folder) {
		return nil, fmt.Errorf("its folder must belong to account %d and be writable by it alone, and does not or is not (%s)", os.Geteuid(), folder.Mode())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxSnapshot+1))
	if err == nil && len(text) > maxSnapshot {
		err = fmt.Errorf("it is longer than %d MiB", maxSnapshot>>20)
	}
	return text, err
}

func isOursAlone(info os.FileInfo) bool {
	const othersWrite = 0o022
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid() && info.Mode().Perm()&othersWrite == 0
}

// retireWait is how long a restoration that is under way may take to end.
const retireWait = 30 * time.Second

// retire removes the file of a guard that is not needed any more, and tells
// whether the guard has acted.
func retire(ctx context.Context, clock primitives.Clock, path string) (acted bool, err error) {
	ctx, cancel := primitives.WithTimeout(ctx, clock, retireWait)
	defer cancel()
	file, err := lockGuardFile(ctx, clock, path)
	if errors.Is(err, errFileGone) {
		return exists(path + doneSuffix), nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	return false, os.Remove(path)
}
