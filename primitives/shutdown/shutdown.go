// Package shutdown takes this host down: it announces, asks logind (else the
// system's tools), and tells whether the request was accepted.
package shutdown

import "time"

// Method is what shall happen to the host.
type Method string

// The methods.
const (
	PowerOff Method = "poweroff"
	Reboot   Method = "reboot"
	Halt     Method = "halt"
	RunLevel Method = "runlevel" // see Request.Level
)

// Request is one method for this host.
type Request struct {
	Method Method
	Level  int // RunLevel: 0–6; 0 is PowerOff and 6 is Reboot; 1, 3, 5 are systemd's rescue, multi-user and graphical targets, 2 and 4 multi-user
}

// Accepted tells that the system took the request.
type Accepted struct {
	Via     string // "logind", "systemctl", "shutdown"
	Prepare bool   // logind's PrepareForShutdown was seen
	BootID  string // kernel's boot_id, the witness that a later boot is another one
	At      time.Time
}
