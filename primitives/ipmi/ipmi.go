// Package ipmi speaks IPMI 2.0 (RMCP+) to a BMC: chassis status and control.
package ipmi

import (
	"time"

	"ctys/primitives"
)

// DefaultPort is the UDP port of RMCP+ (IPMI 2.0, 13.1.2).
const DefaultPort = 623

// Target is one BMC and the account to use on it.
type Target struct {
	Host     string // name or address
	Port     int    // 0 means DefaultPort
	User     string
	Password primitives.Secret
}

// Status is what Get Chassis Status (IPMI 2.0, 28.2) says of the power.
type Status struct {
	Power primitives.Power
	At    time.Time
}

// Control is a chassis control (IPMI 2.0, 28.3).
type Control string

// The chassis controls of this package.
const (
	PowerOff  Control = "off"   // hard: at once, without asking the operating system
	PowerOn   Control = "on"    //
	PowerSoft Control = "soft"  // emulates the power button through ACPI
	Cycle     Control = "cycle" // off and on again by the BMC itself
	Reset     Control = "reset" // hard reset
)
