package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ctys": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }, // main, not armed
	})
}

// TestScripts runs the whole program as a user does: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
			env.Setenv("CTYS_PATH", filepath.Join(env.WorkDir, "scripts"))
			env.Setenv("CTYS_INVENTORY", "")
			env.Setenv("CTYS_SITE", "")
			env.Setenv("USER", "operator")
			env.Setenv("GORACE", "atexit_sleep_ms=10") // a second for each call otherwise
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor, "awaits": awaits},
	})
}

// exits runs ctys and checks its exit code: exits CODE ARGUMENT…
func exits(ts *testscript.TestScript, negated bool, words []string) {
	if negated || len(words) == 0 {
		ts.Fatalf("usage: exits CODE [ARGUMENT…]")
	}
	err := ts.Exec("ctys", words[1:]...)
	code := "0"
	if err != nil {
		code = exitStatus(err)
	}
	if code != words[0] {
		ts.Fatalf("exit code %s, want %s", code, words[0])
	}
}

// waitFor waits until a file is there: waitfor FILE. It is then removed, if it
// is empty, so that it can be waited for again.
func waitFor(ts *testscript.TestScript, negated bool, words []string) {
	if negated || len(words) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	path := ts.MkAbs(words[0])
	for range 1000 {
		if info, err := os.Stat(path); err == nil {
			if info.Size() == 0 {
				ts.Check(os.Remove(path))
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", words[0])
}

// awaits runs ctys again and again until what it prints matches: awaits PATTERN
// ARGUMENT…
func awaits(ts *testscript.TestScript, negated bool, words []string) {
	if negated || len(words) < 2 {
		ts.Fatalf("usage: awaits PATTERN ARGUMENT…")
	}
	pattern := regexp.MustCompile("(?m)" + words[0])
	for range 300 {
		ts.Check(ts.Exec("ctys", words[1:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%q did not come", words[0])
}
