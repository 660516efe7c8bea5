//go:build linux

package bootimage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Archive is an initramfs: a cpio archive of the format "newc". Names have no
// slash in front. Several archives, one after the other, are one initramfs.
// Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
type Archive struct {
	out   bytes.Buffer
	inode int
}

const (
	modeFile   = 0o100000
	modeFolder = 0o040000
	modeLink   = 0o120000
)

// Initrd begins an initramfs with busybox, its folders and the modules, which
// are below modules/. The machine's rig adds "init" and what that one needs.
func (p Parts) Initrd(modules ...string) (*Archive, error) {
	busybox, err := os.ReadFile(p.Busybox)
	if err != nil {
		return nil, err
	}
	a := &Archive{}
	for _, folder := range []string{"bin", "dev", "proc", "sys", "modules"} {
		a.Folder(folder, 0o755)
	}
	a.Program("bin/busybox", busybox)
	for _, module := range modules {
		content, err := os.ReadFile(p.module(module))
		if err != nil {
			return nil, err
		}
		a.File("modules/"+module+".ko", 0o644, content)
	}
	return a, nil
}

// Programs adds the SSH server dropbear, ethtool and iproute2, in /usr/sbin and
// /usr/bin, and the libraries that they are linked with.
func (p Parts) Programs(a *Archive) error {
	return filepath.WalkDir(p.tree(), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(path, p.tree()), "/")
		if entry.IsDir() {
			if name != "" {
				a.Folder(name, 0o755)
			}
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a.Program(name, content)
		return nil
	})
}

// Keep writes the archive, which it ends, to a file of this name beside the
// parts and gives its path. One with the same content is left alone: another
// process may be booting it.
func (p Parts) Keep(name string, a *Archive) (string, error) {
	unlock, err := lock(filepath.Join(p.cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	path, content := filepath.Join(p.cache, name), a.Bytes()
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return path, nil
	}
	return path, replace(path, content, 0o644)
}

// Folder adds a folder; the one that it is in comes first.
func (a *Archive) Folder(name string, mode os.FileMode) {
	a.entry(name, modeFolder|int(mode.Perm()), nil)
}

// Link adds a symbolic link.
func (a *Archive) Link(name, target string) { a.entry(name, modeLink|0o777, []byte(target)) }

// Program adds a file that can be executed.
func (a *Archive) Program(name string, of []byte) { a.File(name, 0o755, of) }

// File adds a file of root's.
func (a *Archive) File(name string, mode os.FileMode, content []byte) {
	a.entry(name, modeFile|int(mode.Perm()), content)
}

func (a *Archive) entry(name string, mode int, content []byte) {
	a.inode++
	fmt.Fprintf(&a.out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.out.WriteString(name)
	a.out.WriteByte(0)
	a.pad()
	a.out.Write(content)
	a.pad()
}

func (a *Archive) pad() {
	for a.out.Len()%4 != 0 {
		a.out.WriteByte(0)
	}
}

// Bytes ends the archive.
func (a *Archive) Bytes() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.out.Bytes()
}
