package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// FileName is the journal within a run's folder.
const FileName = "journal.jsonl"

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// Create makes the folder dir/job (0700) and an empty journal in it (0600),
// both on disk when it returns. A folder that is already there is
// primitives.Busy. The entries' times come from clock.
func Create(dir, job string, clock primitives.Clock) (*Journal, error) {
	const op = "journal.create"
	folder, err := jobFolder(op, dir, job)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, primitives.Wrap(op, "", "the folder for journals cannot be made", err)
	}
	if err := os.Mkdir(folder, folderMode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, primitives.Errorf(primitives.Busy, op, "", "%s is there already, of another run", folder)
		}
		return nil, primitives.Wrap(op, "", "the run's folder cannot be made", err)
	}
	file, err := os.OpenFile(filepath.Join(folder, FileName), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, primitives.Wrap(op, "", "the journal cannot be made", err)
	}
	if err := lockFile(op, file); err != nil {
		file.Close()
		return nil, err
	}
	for _, changed := range []string{folder, dir} {
		if err := syncFolder(changed); err != nil {
			file.Close()
			return nil, primitives.Wrap(op, "", "the run's folder cannot be put on disk", err)
		}
	}
	return start(file, folder, job, 0, clock), nil
}

// Reopen goes on with the journal of an earlier run and gives what that one
// wrote. A line that was torn by a crash is cut off. While another process
// writes it, it is primitives.Busy.
func Reopen(dir, job string, clock primitives.Clock) (*Journal, Log, error) {
	const op = "journal.reopen"
	folder, err := jobFolder(op, dir, job)
	if err != nil {
		return nil, Log{}, err
	}
	path := filepath.Join(folder, FileName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, Log{}, notThere(op, path, err)
	}
	log, err := takeOver(op, file, path)
	if err != nil {
		file.Close()
		return nil, Log{}, err
	}
	return start(file, folder, job, uint64(len(log.Entries)), clock), log, nil
}

func takeOver(op string, file *os.File, path string) (Log, error) {
	if err := lockFile(op, file); err != nil {
		return Log{}, err
	}
	log, err := read(path, file)
	if err != nil || log.Torn == 0 {
		return log, err
	}
	if err := file.Truncate(log.size); err != nil {
		return Log{}, primitives.Wrap(op, "", "the torn last line cannot be cut off", err)
	}
	if err := file.Sync(); err != nil {
		return Log{}, primitives.Wrap(op, "", "the journal cannot be put on disk", err)
	}
	return log, nil
}

// Running tells whether a process has the journal of this run open for
// writing.
func Running(dir, job string) (bool, error) {
	const op = "journal.running"
	folder, err := jobFolder(op, dir, job)
	if err != nil {
		return false, err
	}
	path := filepath.Join(folder, FileName)
	file, err := os.Open(path)
	if err != nil {
		return false, notThere(op, path, err)
	}
	defer file.Close()
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, primitives.Wrap(op, "", "the journal's lock cannot be asked", err)
}

// Jobs gives the ids of all runs in dir, the oldest first. A dir that is not
// there has none.
func Jobs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, primitives.Wrap("journal.jobs", "", "the folder of journals cannot be read", err)
	}
	var jobs []string
	for _, entry := range entries {
		if entry.IsDir() && ValidID(entry.Name()) {
			jobs = append(jobs, entry.Name())
		}
	}
	sort.Strings(jobs)
	return jobs, nil
}

// lockFile keeps a second writer out for as long as the file is open.
func lockFile(op string, file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return primitives.Errorf(primitives.Busy, op, "", "%s is written by a run that goes on", file.Name())
	}
	return primitives.Wrap(op, "", "the journal cannot be locked", err)
}

func jobFolder(op, dir, job string) (string, error) {
	if !ValidID(job) {
		return "", primitives.Errorf(primitives.Invalid, op, "", "%q is no id of a run (accepted: as %s)", job, exampleID)
	}
	folder, err := filepath.Abs(filepath.Join(dir, job))
	return folder, primitives.Wrap(op, "", "the folder's path cannot be made absolute", err)
}

func notThere(op, path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return primitives.Errorf(primitives.Invalid, op, "", "there is no %s", path)
	}
	return primitives.Wrap(op, "", "the journal cannot be opened", err)
}

// syncFolder puts the names in a folder on disk: fsync of a file does not
// (fsync(2)).
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
