package remote

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"

	"ctys/primitives"
)

// entry is one keyword of ssh_config that applies to a host. The first one of
// a keyword wins, except for those that may be given several times.
type entry struct {
	keyword string // lower case
	value   string
}

// configReader collects the entries that apply to one host from the user's and
// the system's file and what they include.
type configReader struct {
	home    string
	alias   string
	entries []entry
	skipped []string // Match lines that are not evaluated, as file:line: text
}

// The same bound as OpenSSH's on files that include each other.
const maxIncludeDepth = 16

// includeKeyword is under what name an Include line is handed to the parser:
// as an ordinary keyword, since the parser's own inclusion fails as a whole on
// a Match line that it does not know and looks in another home.
const includeKeyword = "CtysInclude"

// never is a Host pattern that matches no host: ssh_config(5) says that a
// negated match ends the block, whatever else matches.
const never = "Host !*"

// readConfig returns what ssh_config says about the host as it was typed.
func (c *Client) readConfig(alias string) (*configReader, error) {
	reader := &configReader{home: c.options.Home, alias: alias}
	switch c.options.ConfigFile {
	case "none":
		return reader, nil
	case "":
		for _, file := range []string{c.sshFile("config"), "/etc/ssh/ssh_config"} {
			if err := reader.file(file, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, configError(alias, err)
			}
		}
	default:
		if err := reader.file(c.options.ConfigFile, 0); err != nil {
			return nil, configError(alias, err)
		}
	}
	return reader, nil
}

func configError(alias string, err error) error {
	return &primitives.Error{Kind: primitives.Invalid, Op: opConnect, Host: alias,
		Message: "ssh_config cannot be read", Cause: err}
}

// first returns the value that wins for a keyword given in lower case.
func (r *configReader) first(keyword string) string {
	for _, e := range r.entries {
		if e.keyword == keyword {
			return e.value
		}
	}
	return ""
}

// all returns every value of a keyword, in the order of the files.
func (r *configReader) all(keyword string) []string {
	var values []string
	for _, e := range r.entries {
		if e.keyword == keyword {
			values = append(values, e.value)
		}
	}
	return values
}

// firstOf tells which of several keywords comes first.
func (r *configReader) firstOf(keywords ...string) string {
	for _, e := range r.entries {
		for _, keyword := range keywords {
			if e.keyword == keyword {
				return keyword
			}
		}
	}
	return ""
}

func (r *configReader) file(name string, depth int) error {
	if depth > maxIncludeDepth {
		return fmt.Errorf("%s: more than %d files include each other", name, maxIncludeDepth)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return r.parse(name, text, depth)
}

func (r *configReader) parse(name string, text []byte, depth int) error {
	plain, skipped := plainConfig(name, text)
	r.skipped = append(r.skipped, skipped...)
	config, err := ssh_config.DecodeBytes(plain)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, host := range config.Hosts {
		if !host.Matches(r.alias) {
			continue
		}
		for _, node := range host.Nodes {
			pair, ok := node.(*ssh_config.KV)
			if !ok {
				continue
			}
			if err := r.keyword(name, pair.Key, pair.Value, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *configReader) keyword(file, keyword, value string, depth int) error {
	if keyword != includeKeyword {
		r.entries = append(r.entries, entry{strings.ToLower(keyword), value})
		return nil
	}
	for _, pattern := range words(value) {
		matches, err := filepath.Glob(r.includePath(file, pattern))
		if err != nil {
			return fmt.Errorf("%s: Include %s: %w", file, pattern, err)
		}
		for _, match := range matches {
			if err := r.file(match, depth+1); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return nil
}

// includePath resolves an Include as ssh_config(5) does: relative to ~/.ssh in
// a user's file and to /etc/ssh in the system's.
func (r *configReader) includePath(file, pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "~/"):
		return filepath.Join(r.home, pattern[2:])
	case filepath.IsAbs(pattern):
		return pattern
	case strings.HasPrefix(filepath.Clean(file), "/etc/ssh/"):
		return filepath.Join("/etc/ssh", pattern)
	}
	return filepath.Join(r.home, ".ssh", pattern)
}

// plainConfig rewrites a configuration file line by line into what the parser
// reads without loss: one space between words, no quotes around host patterns,
// Include as an ordinary keyword. A Match block with a criterion other than
// all and host becomes one that matches nothing, and is reported. The lines
// keep their numbers.
func plainConfig(name string, text []byte) (plain []byte, skipped []string) {
	var out bytes.Buffer
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, len(text)+1)
	for number := 1; scanner.Scan(); number++ {
		line, understood := plainLine(scanner.Text())
		if !understood {
			skipped = append(skipped, fmt.Sprintf("%s:%d: %s", name, number, strings.TrimSpace(scanner.Text())))
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), skipped
}

func plainLine(line string) (plain string, understood bool) {
	line = strings.TrimSpace(strings.Map(printable, line))
	keyword, value := splitKeyword(line)
	if keyword == "" {
		return "", true
	}
	switch strings.ToLower(keyword) {
	case "host":
		return "Host " + strings.Join(words(value), " "), len(words(value)) > 0
	case "include":
		return includeKeyword + " " + value, true
	case "match":
		return plainMatch(words(value))
	}
	return keyword + " " + value, true
}

// plainMatch turns the two forms of Match that need nothing but the name into
// their Host form. "final" and "canonical" ask for a second reading after the
// name was made canonical, which is not done; "final all" therefore applies.
func plainMatch(criteria []string) (plain string, understood bool) {
	lower := make([]string, len(criteria))
	for i, word := range criteria {
		lower[i] = strings.ToLower(word)
	}
	switch {
	case len(lower) == 1 && lower[0] == "all", len(lower) == 2 && lower[0] == "final" && lower[1] == "all":
		return "Host *", true
	case len(lower) == 2 && (lower[0] == "host" || lower[0] == "originalhost"):
		return "Host " + strings.Join(strings.Split(criteria[1], ","), " "), true
	}
	return never, false
}

// splitKeyword splits "Keyword value", "Keyword=value" and "Keyword = value".
// A comment, an empty line or one that does not begin with a word has none.
func splitKeyword(line string) (keyword, value string) {
	end := strings.IndexFunc(line, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	if end <= 0 {
		return "", ""
	}
	keyword, value = line[:end], line[end:]
	if !strings.ContainsAny(value[:1], " =") {
		return "", ""
	}
	value = strings.TrimSpace(value)
	value = strings.TrimSpace(strings.TrimPrefix(value, "="))
	if value == "" {
		return "", ""
	}
	return keyword, value
}

// printable makes every white space a blank and leaves out control characters.
func printable(r rune) rune {
	switch {
	case r == '\t' || r == '\r' || r == '\f' || r == '\v':
		return ' '
	case r < ' ' || r == 0x7f:
		return -1
	}
	return r
}

// words splits at blanks; double quotes hold a word together. A word that
// begins with # begins a comment.
func words(value string) []string {
	var found []string
	rest := strings.TrimSpace(value)
	for rest != "" && rest[0] != '#' {
		var word string
		if rest[0] == '"' {
			word, rest, _ = strings.Cut(rest[1:], `"`)
		} else {
			word, rest, _ = strings.Cut(rest, " ")
		}
		if word != "" {
			found = append(found, word)
		}
		rest = strings.TrimSpace(rest)
	}
	return found
}
