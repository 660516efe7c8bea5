//go:build linux

package bootimage

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// programs are those of the packages that some machine runs beside busybox.
var programs = []string{"usr/sbin/dropbear", "usr/sbin/ethtool", "usr/bin/ip", "usr/sbin/bridge"}

// libraryFolder is one in which the dynamic linker looks by itself.
const libraryFolder = "lib"

// keepPrograms copies the programs and the libraries that they are linked with.
func (p Parts) keepPrograms(root string) error {
	libraries, err := librariesBelow(root)
	if err != nil {
		return err
	}
	for _, program := range programs {
		path, err := one(root, program, strings.TrimPrefix(program, "usr/"))
		if err != nil {
			return err
		}
		if err := p.keepLinked(path, program, libraries); err != nil {
			return err
		}
	}
	return nil
}

// keepLinked copies a file of the packages to its place on a machine, and all
// that it is linked with.
func (p Parts) keepLinked(path, place string, libraries map[string]string) error {
	kept := filepath.Join(p.tree(), place)
	if exist(kept) {
		return nil
	}
	linker, names, err := links(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := p.keepLinked(libraries[name], filepath.Join(libraryFolder, name), libraries); err != nil {
			return fmt.Errorf("%s is linked with %s: %w", place, name, err)
		}
	}
	if linker != "" {
		if err := p.keepLinked(libraries[filepath.Base(linker)], linker, libraries); err != nil {
			return fmt.Errorf("%s is started by %s: %w", place, linker, err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return replace(kept, content, 0o755)
}

// links gives the path of the dynamic linker that a program asks for, if it
// asks for one, and the libraries that it is linked with (elf(5), PT_INTERP and
// DT_NEEDED).
func links(path string) (linker string, names []string, err error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	for _, program := range file.Progs {
		if program.Type != elf.PT_INTERP {
			continue
		}
		text, err := io.ReadAll(program.Open())
		if err != nil {
			return "", nil, err
		}
		linker = strings.TrimRight(string(text), "\x00")
	}
	names, err = file.ImportedLibraries()
	return linker, names, err
}

// librariesBelow gives the path of each shared library by its name. A link that
// leads out of root (to an absolute path) is not one of the packages' files.
func librariesBelow(root string) (map[string]string, error) {
	found := map[string]string{}
	return found, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(entry.Name(), ".so") {
			return err
		}
		if target, err := os.Readlink(path); err == nil && filepath.IsAbs(target) {
			return nil
		}
		found[entry.Name()] = path
		return nil
	})
}
