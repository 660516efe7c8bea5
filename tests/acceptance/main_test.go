//go:build linux

// Package acceptance calls the program as an operator does, against real
// hypervisors and real machines: what is seen here is seen from outside, by
// libvirt and by the machine's own init, never by ctys alone.
package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is the folder of the program, which all tests share.
var built string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "ctys-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = folder
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// build makes the program once, the way it is delivered: static, without the
// race detector.
var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(built, "ctys")
	command := exec.Command("go", "build", "-trimpath", "-o", program, "ctys/cmd/ctys")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if words, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, words)
	}
	return program, nil
})

func program(t testing.TB) string {
	t.Helper()
	path, err := build()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("the go command is not in PATH")
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
