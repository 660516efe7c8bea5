package guard

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// runningProgram is the file that this process runs, also where its name is
// gone or another's since (proc(5)).
const runningProgram = "/proc/self/exe"

// copyProgram gives this program a name beside the request's file: a further
// one for the same file where both are on one file system, else of a copy.
func (c *Client) copyProgram(request Request) (path string, err error) {
	path = filepath.Join(filepath.Dir(request.File), prefix+request.Name)
	if unix.Linkat(unix.AT_FDCWD, runningProgram, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW) == nil {
		return path, nil
	}
	if err := copyFile(runningProgram, path); err != nil {
		return "", primitives.Wrap(opArm, request.File, "no copy of this program for systemd can be made", err)
	}
	return path, nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, source)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(to)
	}
	return err
}
