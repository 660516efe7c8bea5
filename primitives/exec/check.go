package exec

import (
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"ctys/primitives"
)

const op = "exec.run"

// check finds what is wrong with a request before anything is started.
func check(request Request) error {
	if len(request.Argv) == 0 || request.Argv[0] == "" {
		return invalid("no program is named: argv needs at least one entry")
	}
	for i, word := range request.Argv {
		if strings.ContainsRune(word, 0) {
			return invalid("argv[%d] has a NUL byte, which no program can be given", i)
		}
	}
	for key, value := range request.Env {
		if key == "" || strings.ContainsAny(key, "=\x00") || strings.ContainsRune(value, 0) {
			return invalid("environment variable %q: a name is not empty and has no \"=\", and neither name nor value has a NUL byte", key)
		}
	}
	if request.Stdin != "" && !request.Secret.IsZero() {
		return invalid("stdin and secret both stand for standard input: give one")
	}
	if request.Limit < 0 {
		return invalid("limit is %d bytes: it must be 0 (1 MiB) or more", request.Limit)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return primitives.Errorf(primitives.Invalid, op, "", format, args...)
}

// systemFolders are where programs of the system's administration are (hier(7)).
// The PATH of an account that is not root may lack them, which does not mean that
// there is no hypervisor.
var systemFolders = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// find gives the path of a program, or an error that names it.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrNotFound) && !strings.Contains(program, "/") {
		for _, folder := range systemFolders {
			if path, err = exec.LookPath(filepath.Join(folder, program)); !errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
	}
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", primitives.Errorf(primitives.Denied, op, "",
			"program %s lies in the current directory, which PATH names: give its path (./%s) if it is meant", program, program)
	case errors.Is(err, fs.ErrPermission):
		return "", primitives.Errorf(primitives.Denied, op, "", "program %s may not be executed by this account", program)
	}
	return "", primitives.Errorf(primitives.Unsupported, op, "",
		"program %s is missing on this host: install it, or put its directory into PATH", program)
}
