// Package ipmi speaks IPMI 2.0 (RMCP+) to BMCs: chassis status and control,
// identify, boot device, sensors, event log, raw commands. Section numbers in
// this package are those of "IPMI v2.0, revision 1.1".
package ipmi

import (
	"time"

	"ctys/primitives"
)

// DefaultPort is the UDP port of RMCP+ (13.1.2).
const DefaultPort = 623

// Target is one BMC and the account to use on it.
type Target struct {
	Host     string // name or address
	Port     int    // 0 means DefaultPort
	User     string
	Password primitives.Secret

	// Machine is whose BMC it is, where that is known. The Client does not look at
	// it; who passes a request on to another machine needs it, since two BMCs in
	// separate networks may have the same address.
	Machine string
}

// Status is what Get Chassis Status (28.2) says.
type Status struct {
	Power primitives.Power
	At    time.Time

	Restore   string   // after a mains failure: "off", "previous", "on"; empty: the BMC does not say
	LastEvent []string // why the power went last: "mains failed", "overload", "interlock", "fault", "switched on by IPMI"
	Faults    []string // "overload", "interlock", "power fault", "control fault", "intrusion", "lockout", "drive fault", "fan fault"
	Identify  string   // "off", "timed", "on"; empty: the BMC does not say
}

// Control is a chassis control (28.3).
type Control string

// The chassis controls of this package.
const (
	PowerOff  Control = "off"   // hard: at once, without asking the operating system
	PowerOn   Control = "on"    //
	PowerSoft Control = "soft"  // emulates the power button through ACPI
	Cycle     Control = "cycle" // off and on again by the BMC itself
	Reset     Control = "reset" // hard reset
	Diag      Control = "diag"  // diagnostic interrupt (NMI) to the processors
)

// Identify is how a machine shows which one it is (28.5), mostly by a lamp.
type Identify struct {
	For     time.Duration // whole seconds up to 255; 0 and not Forever: off
	Forever bool          // until it is told otherwise
}

// Device is where a machine boots from.
type Device string

// The boot devices (28.13, boot flags). Flags that somebody else has set may
// name others when they are read: "remote cdrom", "floppy", "reserved 10".
const (
	BootNone  Device = "none" // what its firmware is set to
	BootPXE   Device = "pxe"
	BootDisk  Device = "disk"
	BootSafe  Device = "safe" // disk, safe mode
	BootDiag  Device = "diag" // diagnostic partition
	BootCDROM Device = "cdrom"
	BootBIOS  Device = "bios" // firmware's set-up
)

// Boot is what the boot flags say (28.13, parameter 5).
type Boot struct {
	Device     Device
	Persistent bool // for all further boots, not only the next one
	UEFI       bool
}

// Controller is what Get Device ID (20.1) says of the BMC itself.
type Controller struct {
	ID           int
	Revision     int
	Firmware     string // "2.41"
	IPMI         string // "2.0"
	Manufacturer int    // IANA enterprise number
	Product      int
	GUID         string // of the system (22.14); empty where it has none
}

// Sensor is a sensor and what it reads now (35.14).
type Sensor struct {
	Name    string
	Number  int
	Type    string   // "temperature", "fan", "voltage", … (table 42-3)
	Reading *float64 // nil: it has no analogue reading, or none now
	Unit    string   // "degrees C", "RPM", "volts", "watts", …; empty without a reading
	State   string   // "ok", "non-critical", "critical", "non-recoverable", "unavailable"; empty: discrete, and only States say what it means
	States  []string // of a discrete sensor: what is asserted, in words
}

// Event is a record of the system event log (32.1).
type Event struct {
	ID       int
	At       time.Time // zero: the BMC's clock was not set
	Sensor   string    // its name where the BMC tells it, else "temperature 3"
	Type     string
	Text     string // "upper critical going high", …
	Asserted bool   // false: the condition ended
	Data     []byte // the record as it came, 16 bytes
}

// Request is a raw command.
type Request struct {
	NetFn   byte // even, 0 to 62
	LUN     byte // 0 to 3
	Command byte
	Data    []byte
}

// Reply is the answer to a raw command.
type Reply struct {
	Code byte   // completion code (5.2); 0 is success
	Text string // what Code means
	Data []byte
}
