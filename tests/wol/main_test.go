//go:build linux

// Package wol compares the magic packets of ctys on the wire with those of the
// tools that people have used so far: etherwake and wakeonlan.
package wol

import (
	"os"
	"testing"

	"ctys/tests/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.Main(m)) }
