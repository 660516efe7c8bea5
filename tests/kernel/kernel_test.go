//go:build linux

package kernel

import "testing"

// Kernels of small virtual machines cannot filter VLANs in bridges; Debian's can.
func TestBridgesWithVLANs(t *testing.T) { Run(t, "ctys/primitives/bridge", "TestVLANs|TestTagged") }
