//go:build !linux

package netns

import (
	"os"
	"testing"
)

// Main runs the tests of m where they are: there are no network namespaces.
func Main(m *testing.M) int {
	os.Setenv(causeVariable, "not on Linux")
	return m.Run()
}
