//go:build !linux

package bridge

import (
	"context"
	"runtime"

	"ctys/primitives"
)

func readSystem(context.Context) ([]Bridge, error) {
	return nil, primitives.Errorf(primitives.Unsupported, "bridge.read", "",
		"bridges are read on Linux only, not on %s", runtime.GOOS)
}
