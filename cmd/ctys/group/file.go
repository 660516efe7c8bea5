package group

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"ctys/cmd/ctys/form"
)

// largest bounds a group file.
const largest = 1 << 20

const include = "#include"

// file gives the members of a group file, if there is one of that name.
func (s *selection) file(name string) (members []Member, found bool, err error) {
	path, text, err := s.resolver.read(name)
	if err != nil || path == "" {
		return nil, path != "", err
	}
	if at := slices.Index(s.open, path); at >= 0 {
		return nil, true, fmt.Errorf("the group %s contains itself: %s", name, strings.Join(append(s.open[at:], path), " > "))
	}
	inner := &selection{resolver: s.resolver, open: append(slices.Clone(s.open), path)}
	for i, line := range strings.Split(text, "\n") {
		if err := inner.line(line); err != nil {
			return nil, true, positioned(path, i+1, err)
		}
	}
	if err := inner.stray(); err != nil {
		return nil, true, fmt.Errorf("%s: %s %w", path, inner.strayed, err)
	}
	members = inner.left()
	if len(members) == 0 {
		return nil, true, fmt.Errorf("%s: the group has no machine", path)
	}
	return members, true, nil
}

// lineError has its place already: that of the innermost file.
type lineError struct{ text string }

func (e *lineError) Error() string { return e.text }

func positioned(path string, line int, err error) error {
	var placed *lineError
	if errors.As(err, &placed) {
		return err
	}
	return &lineError{fmt.Sprintf("%s:%d: %v", path, line, err)}
}

// read finds the file of a group: the first in the path. A file that is there
// and cannot be read is an error, never a name that means something else.
func (r *Resolver) read(name string) (path, text string, err error) {
	if !isFileName(name) {
		return "", "", nil
	}
	for _, dir := range r.Path {
		path := filepath.Join(dir, name)
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err != nil {
			return path, "", fmt.Errorf("the group file cannot be read: %w", err)
		}
		text, isFile, err := contents(file)
		if err != nil || isFile {
			return path, text, err
		}
	}
	return "", "", nil
}

// contents reads a regular file to its end; a folder is no group.
func contents(file *os.File) (text string, isFile bool, err error) {
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		return "", false, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file.Name())
	}
	if err != nil {
		return "", true, err
	}
	bytes, err := io.ReadAll(io.LimitReader(file, largest+1))
	if err == nil && len(bytes) > largest {
		err = fmt.Errorf("%s is longer than %d bytes", file.Name(), largest)
	}
	return string(bytes), true, err
}

// isFileName tells whether a name can be that of a file within a folder.
func isFileName(name string) bool {
	return name != "" && name[0] != '.' && !strings.ContainsAny(name, "/\\\x00")
}

// line takes in what one line of a group file names.
func (s *selection) line(line string) error {
	line = strings.TrimSpace(line)
	if names, isInclude := strings.CutPrefix(line, include); isInclude && (names == "" || unicode.IsSpace(rune(names[0]))) {
		return s.include(names)
	}
	words, err := words(line)
	if err != nil {
		return err
	}
	for _, word := range words {
		target, err := form.ReadTarget(word)
		if err == nil {
			err = s.add(target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// include takes in other group files: "#include a,b".
func (s *selection) include(names string) error {
	names, _, _ = strings.Cut(names, "#")
	for _, name := range strings.Split(names, ",") {
		name = strings.TrimSpace(name)
		if !isFileName(name) || strings.ContainsFunc(name, unicode.IsSpace) {
			return fmt.Errorf("%q is no name of a group file (accepted: #include a,b)", name)
		}
		members, found, err := s.file(name)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("there is no group file %q to include (looked for in %s)", name, s.resolver.folders())
		}
		s.members = append(s.members, members...)
	}
	return nil
}

// words splits a line at blanks, as the shell would: quotes around the
// parentheses of a target are taken off, what is within parentheses stays. A
// "#" that begins a word begins a comment.
func words(line string) ([]string, error) {
	var found []string
	var word strings.Builder
	inWord, depth, outer, inner := false, 0, rune(0), rune(0)
	for _, r := range line {
		switch {
		case depth > 0:
			word.WriteRune(r)
			switch {
			case inner != 0:
				if r == inner {
					inner = 0
				}
			case (r == '\'' || r == '"') && r != outer:
				inner = r
			case r == ')':
				depth = 0
			}
		case outer != 0 && r == outer:
			outer = 0
		case outer == 0 && (r == '\'' || r == '"'):
			inWord, outer = true, r
		case r == '(':
			inWord, depth = true, 1
			word.WriteRune(r)
		case outer == 0 && unicode.IsSpace(r):
			if inWord {
				found = append(found, word.String())
				word.Reset()
			}
			inWord = false
		case outer == 0 && r == '#' && !inWord:
			return found, nil
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if outer != 0 || depth > 0 {
		return nil, errors.New("a quote or parenthesis is not closed")
	}
	if inWord {
		found = append(found, word.String())
	}
	return found, nil
}
