//go:build !linux

package wol

import (
	"context"
	"net"
	"runtime"

	"ctys/primitives"
)

// other is a system whose raw frames and interface bindings ctys cannot use.
// UDP to an address works there as everywhere.
type other struct{}

func newSystem() system { return other{} }

func (other) sendFrame(_ context.Context, device string, _ primitives.MAC, _ []byte) error {
	return primitives.Errorf(primitives.Unsupported, opSend, device,
		"raw frames are sent on Linux only, not on %s: send UDP to an address", runtime.GOOS)
}

func (other) listenOn(_ context.Context, device, _ string) (net.PacketConn, error) {
	return nil, primitives.Errorf(primitives.Unsupported, opSend, device,
		"binding to an interface works on Linux only, not on %s: give an address that is routed there", runtime.GOOS)
}
