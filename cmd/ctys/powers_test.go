package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/shutdown"
)

// A request with SELF on the machine that ctys runs on reaches its system; here
// that is a folder of programs which do nothing.
func TestProgramMayTakeItsOwnMachineDown(t *testing.T) {
	tools := t.TempDir()
	t.Setenv("PATH", tools)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(tools, "no-bus"))
	for _, name := range []string{"shutdown", "poweroff", "systemctl"} {
		path := filepath.Join(tools, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if found, err := exec.LookPath(name); err != nil || found != path {
			t.Fatalf("%s would be %s, %v", name, found, err)
		}
	}
	for _, test := range []struct {
		armed bool
		want  primitives.Kind
	}{{true, ""}, {false, luabind.Denied}} {
		armed = test.armed
		capabilities, release := powers(&session{app: &app{stderr: io.Discard}})
		_, err := capabilities.Shutdown.Do(context.Background(), shutdown.Request{Method: shutdown.PowerOff})
		armed = false
		if (err != nil || test.want != "") && primitives.KindOf(err) != test.want {
			t.Errorf("armed %v: %v", test.armed, err)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}
