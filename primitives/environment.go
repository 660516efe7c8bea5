package primitives

import (
	"os"
	"slices"
	"strings"
	"sync"
)

// concealed are the environment variables of this process that hold passwords.
var concealed struct {
	mu    sync.Mutex
	names []string
}

// HideVariable keeps an environment variable, which holds a password, from the
// programs that this process starts from now on.
func HideVariable(name string) {
	concealed.mu.Lock()
	defer concealed.mu.Unlock()
	if !slices.Contains(concealed.names, name) {
		concealed.names = append(concealed.names, name)
	}
}

// Environment is what a program that is started gets: the environment of this
// process but for the variables that hold passwords.
func Environment() []string {
	concealed.mu.Lock()
	defer concealed.mu.Unlock()
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(concealed.names, name)
	})
}
