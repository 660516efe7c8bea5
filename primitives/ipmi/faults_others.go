//go:build !linux

package ipmi

import "net"

// wantFaults does nothing: outside of Linux a closed port is only silent.
func wantFaults(*net.UDPConn, bool) {}

func (s *socket) readFaults() {}
