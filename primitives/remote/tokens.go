package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// expand replaces the tokens of ssh_config(5), section TOKENS, in value: "%%"
// and the letters given.
func expand(value string, tokens map[byte]string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			out.WriteByte(value[i])
			continue
		}
		i++
		if i == len(value) {
			return "", fmt.Errorf("%q ends with a lone %%", value)
		}
		if value[i] == '%' {
			out.WriteByte('%')
			continue
		}
		replacement, ok := tokens[value[i]]
		if !ok {
			return "", fmt.Errorf("%q has the token %%%c, which is not known here", value, value[i])
		}
		out.WriteString(replacement)
	}
	return out.String(), nil
}

// expandPath expands a file name: a leading ~/, ${ENVIRONMENT} and tokens.
func expandPath(value, home string, tokens map[byte]string) (string, error) {
	if value == "~" || strings.HasPrefix(value, "~/") {
		value = filepath.Join(home, value[1:])
	}
	value, err := expandEnvironment(value)
	if err != nil {
		return "", err
	}
	return expand(value, tokens)
}

func expandEnvironment(value string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(value, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("%q has ${ without }", value)
		}
		content, set := os.LookupEnv(name)
		if !set {
			return "", fmt.Errorf("the environment has no %s, which ssh_config names", name)
		}
		out.WriteString(content)
		value = after
	}
}
