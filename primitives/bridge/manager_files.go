package bridge

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// files are those of the system below a root.
type files struct{ root string }

// maxFile bounds what is read of one file.
const maxFile = 1 << 20

// read gives a file's content; empty where there is none that can be read.
func (f files) read(path string) string {
	path = filepath.Join(f.root, path)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return ""
	}
	return string(content)
}

// list gives the files that a pattern fits, by name.
func (f files) list(pattern string) []string {
	found, err := filepath.Glob(filepath.Join(f.root, pattern))
	if err != nil {
		return nil
	}
	var names []string
	for _, path := range found {
		if name, err := filepath.Rel(filepath.Join(f.root, "/"), path); err == nil {
			names = append(names, "/"+name)
		}
	}
	return names
}

// runs tells whether a process of that name runs (proc(5), comm: 15 letters).
func (f files) runs(name string) bool {
	short := name[:min(len(name), 15)]
	for _, path := range f.list("/proc/[0-9]*/comm") {
		if strings.TrimSpace(f.read(path)) == short {
			return true
		}
	}
	return false
}

// entry is one line KEY=VALUE of a file with sections.
type entry struct{ section, key, value string }

// entries reads the form of key files that NetworkManager and systemd share:
// sections in brackets, KEY=VALUE, comments with # or ;.
func entries(content string) []entry {
	var all []entry
	section := ""
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && line[len(line)-1] == ']' {
			section = line[1 : len(line)-1]
			continue
		}
		if key, value, found := strings.Cut(line, "="); found {
			all = append(all, entry{section, strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`)})
		}
	}
	return all
}

// value is that of a key; the last counts.
func value(all []entry, section, key string) string {
	found := ""
	for _, one := range all {
		if one.section == section && one.key == key {
			found = one.value
		}
	}
	return found
}
