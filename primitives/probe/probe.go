// Package probe asks whether a machine answers: by ARP, ICMP, TCP or the
// banner of its SSH server. Silence proves nothing; it is the answer "no".
package probe

import "time"

// Answer is what one probe saw.
type Answer struct {
	Up      bool
	Way     string        // "arp", "icmp", "tcp", "ssh"
	Address string        // what answered, or was asked
	RTT     time.Duration // round trip, where Up
	Detail  string        // MAC of an ARP reply, SSH banner, "connection refused" (which is an answer: Up)
}
