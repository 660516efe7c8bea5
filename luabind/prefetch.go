package luabind

import (
	"io/fs"
	"strings"
)

// Prefetch compiles a script, and all modules that it and they require by name,
// beside what the caller goes on with: compiling takes longer than anything
// else in a short run, and most machines have a second processor. It is for a
// script that is about to be run; what is wrong with one is told there.
func Prefetch(path []fs.FS, source Source) {
	go func() {
		seen := map[string]bool{source.Name: true}
		for waiting := []Source{source}; len(waiting) > 0; waiting = waiting[1:] {
			for _, name := range required(waiting[0].Text) {
				if seen[name] {
					continue
				}
				seen[name] = true
				if module, err := Find(path, name); err == nil {
					waiting = append(waiting, module)
					go func() { _, _ = compileFound(module) }() // an error stays for who requires it
				}
			}
		}
	}()
}

// required lists the modules that a text requires by a name that stands in it,
// in the order in which they stand there, but for those of which it takes a field
// on the spot: they are loaded where they are needed, which may be nowhere. It
// looks at the text alone: a name too many or too few costs only time.
func required(text string) (names []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "--") {
			continue
		}
		for rest := line; ; {
			var found bool
			if _, rest, found = strings.Cut(rest, "require"); !found {
				break
			}
			quoted := strings.TrimLeft(rest, " (")
			if quoted == "" || quoted[0] != '"' && quoted[0] != '\'' {
				continue
			}
			name, after, closed := strings.Cut(quoted[1:], quoted[:1])
			if closed && !strings.HasPrefix(after, ").") && !strings.HasPrefix(after, ")[") {
				names = append(names, name)
			}
		}
	}
	return names
}
