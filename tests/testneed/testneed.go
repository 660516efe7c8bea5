// Package testneed lets a test say what it needs from the machine it runs on.
//
// A test that cannot run is skipped with one line of a fixed form,
//
//	NEED what | why | how to get it
//
// which make test collects into the table that it ends with.
package testneed

import (
	"os"
	"os/exec"
	"testing"
)

// Skip ends the test as not run: what was not tested, why, and how to get it.
func Skip(t testing.TB, what, why, how string) {
	t.Helper()
	t.Skipf("NEED %s | %s | %s", what, why, how)
}

// Root skips the test where it does not run as root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, t.Name(), "needs root", "run make test as root")
	}
}

// Program gives the path of a program, or skips the test and names the Debian
// package that has it.
func Program(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
			if info, statErr := os.Stat(dir + program); statErr == nil && info.Mode()&0o111 != 0 {
				return dir + program
			}
		}
		Skip(t, t.Name(), "program "+program+" is missing", "make test-deps (package "+debianPackage+")")
	}
	return path
}
