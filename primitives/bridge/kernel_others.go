//go:build !linux

package bridge

import (
	"runtime"

	"ctys/primitives"
)

// kernel is a system without Linux bridges.
type kernel struct{}

func refuse() error {
	return primitives.Errorf(primitives.Unsupported, "bridge.read", "",
		"bridges are read and changed on Linux only, not on %s", runtime.GOOS)
}

func (kernel) bridges() ([]Bridge, error) { return nil, refuse() }

func (kernel) observe(string, []string) (Snapshot, error) { return Snapshot{}, refuse() }

func (kernel) above(string) ([]string, error) { return nil, refuse() }

func (kernel) apply(Step) error { return refuse() }
