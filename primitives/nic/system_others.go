//go:build !linux

package nic

import (
	"context"
	"runtime"

	"ctys/primitives"
)

func readSystem(context.Context) (snapshot, error) {
	return snapshot{}, primitives.Errorf(primitives.Unsupported, "nic.read", "",
		"interfaces and their Wake-on modes are read on Linux only, not on %s", runtime.GOOS)
}

// openWaker gives what cannot be reached: readSystem has refused before.
func openWaker() waker { return nil }
