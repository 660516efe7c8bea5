package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ctys/primitives"
)

const storeOp = "journal.store"

// storeFolder holds what StoreFile kept, within the run's folder.
const storeFolder = "files"

// StoreFile keeps a copy of what the run needs when it is resumed (the
// request, each script by its content) beside the journal, 0600, on disk when
// it returns. A name is relative ("scripts/cancel.lua") and may be stored
// again. A name that leads out of the folder is primitives.Invalid.
func (j *Journal) StoreFile(name string, data []byte) error {
	path, err := storedPath(j.folder, name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return primitives.Wrap(storeOp, "", "the folder for copies cannot be made", err)
	}
	if err := replaceFile(path, data); err != nil {
		return primitives.Wrap(storeOp, "", "the copy of "+name+" cannot be kept", err)
	}
	for ; len(dir) >= len(j.folder); dir = filepath.Dir(dir) {
		if err := syncFolder(dir); err != nil {
			return primitives.Wrap(storeOp, "", "the copy of "+name+" cannot be put on disk", err)
		}
	}
	return nil
}

// DropFile removes what was stored under a name, if anything was.
func (j *Journal) DropFile(name string) error {
	path, err := storedPath(j.folder, name)
	if err != nil {
		return err
	}
	if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	return primitives.Wrap(storeOp, "", "the copy of "+name+" cannot be removed", err)
}

// Stored gives what StoreFile kept for the run in dir. A name that nothing was
// stored under is primitives.Invalid.
func Stored(dir, job, name string) ([]byte, error) {
	folder, err := jobFolder(storeOp, dir, job)
	if err != nil {
		return nil, err
	}
	path, err := storedPath(folder, name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, primitives.Errorf(primitives.Invalid, storeOp, "", "the run %s has kept no %s", job, name)
	}
	return data, primitives.Wrap(storeOp, "", "the copy cannot be read", err)
}

func storedPath(folder, name string) (string, error) {
	if !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." {
		return "", primitives.Errorf(primitives.Invalid, storeOp, "", "%q is no name for a copy (accepted: as scripts/cancel.lua)", name)
	}
	return filepath.Join(folder, storeFolder, name), nil
}

// Replace puts a file on disk (0600) as a whole: a crash leaves the old content
// or the new.
func Replace(path string, data []byte) error {
	const op = "journal.replace"
	if err := replaceFile(path, data); err != nil {
		return primitives.Wrap(op, "", path+" cannot be written", err)
	}
	return primitives.Wrap(op, "", path+" cannot be put on disk", syncFolder(filepath.Dir(path)))
}

// replaceFile writes beside and renames, so that a crash leaves the old
// content or the new.
func replaceFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = writeAll(file, data)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	return err
}
