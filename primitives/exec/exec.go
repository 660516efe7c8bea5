// Package exec runs one program: argv without a shell, in the C locale, with a
// deadline and a bound on its output.
package exec

import "ctys/primitives"

// Request is one run of one program.
type Request struct {
	Argv   []string          // Argv[0] is looked up in PATH
	Stdin  string            // standard input; empty is /dev/null
	Env    map[string]string // added to the environment
	Secret primitives.Secret // where set, its value is standard input
	Limit  int               // bytes kept of each output stream; 0 means 1 MiB
}

// Result is what the program left.
type Result struct {
	Exit      int
	Stdout    string
	Stderr    string
	Truncated bool // more output than Limit
}
