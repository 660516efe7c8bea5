package ipmi

import "fmt"

// The event/reading types (42.1, table 42-1).
const (
	eventThreshold = 0x01
	eventSeverity  = 0x07 // generic: its states are severities
	eventSpecific  = 0x6f // the sensor's type says what its states are
	firstOEMEvent  = 0x70
	lastOEMEvent   = 0x7f
)

// firstOEMSensor is the first type whose meaning its maker defines.
const firstOEMSensor = 0xc0

// sensorTypes are the names of the sensor types (42.2, table 42-3).
var sensorTypes = [...]string{
	0x01: "temperature", 0x02: "voltage", 0x03: "current", 0x04: "fan",
	0x05: "physical security", 0x06: "platform security", 0x07: "processor", 0x08: "power supply",
	0x09: "power unit", 0x0a: "cooling device", 0x0b: "other", 0x0c: "memory",
	0x0d: "drive slot", 0x0e: "POST memory resize", 0x0f: "system firmware", 0x10: "event logging",
	0x11: "watchdog 1", 0x12: "system event", 0x13: "critical interrupt", 0x14: "button",
	0x15: "module", 0x16: "microcontroller", 0x17: "add-in card", 0x18: "chassis",
	0x19: "chip set", 0x1a: "other FRU", 0x1b: "cable", 0x1c: "terminator",
	0x1d: "system boot", 0x1e: "boot error", 0x1f: "OS boot", 0x20: "OS stop",
	0x21: "slot", 0x22: "ACPI power state", 0x23: "watchdog 2", 0x24: "platform alert",
	0x25: "entity presence", 0x26: "monitor ASIC", 0x27: "LAN", 0x28: "management subsystem",
	0x29: "battery", 0x2a: "session audit", 0x2b: "version change", 0x2c: "FRU state",
}

func sensorTypeName(code byte) string {
	switch {
	case int(code) < len(sensorTypes) && sensorTypes[code] != "":
		return sensorTypes[code]
	case code >= firstOEMSensor:
		return fmt.Sprintf("OEM %#02x", code)
	}
	return fmt.Sprintf("reserved %#02x", code)
}

// stateName says in words what a state of a sensor, or the offset of an event,
// means (42.1 and 42.2).
func stateName(eventType, sensorType, offset byte) string {
	table := genericStates[eventType]
	if eventType == eventSpecific {
		table = specificStates[sensorType]
	}
	switch {
	case int(offset) < len(table) && table[offset] != "":
		return table[offset]
	case eventType >= firstOEMEvent && eventType <= lastOEMEvent || sensorType >= firstOEMSensor:
		return fmt.Sprintf("OEM state %d", offset)
	}
	return fmt.Sprintf("state %d", offset)
}

// genericStates are the states of the generic event/reading types (42.1, table
// 42-2), by type and offset.
var genericStates = [256][]string{
	eventThreshold: {
		"lower non-critical going low", "lower non-critical going high",
		"lower critical going low", "lower critical going high",
		"lower non-recoverable going low", "lower non-recoverable going high",
		"upper non-critical going low", "upper non-critical going high",
		"upper critical going low", "upper critical going high",
		"upper non-recoverable going low", "upper non-recoverable going high",
	},
	0x02: {"idle", "active", "busy"},
	0x03: {"state deasserted", "state asserted"},
	0x04: {"predictive failure deasserted", "predictive failure asserted"},
	0x05: {"limit not exceeded", "limit exceeded"},
	0x06: {"performance met", "performance lags"},
	eventSeverity: {
		"ok", "non-critical from ok", "critical from less severe", "non-recoverable from less severe",
		"non-critical from more severe", "critical from non-recoverable", "non-recoverable",
		"monitor", "informational",
	},
	0x08: {"device absent", "device present"},
	0x09: {"device disabled", "device enabled"},
	0x0a: {
		"running", "in test", "power off", "on line", "off line", "off duty", "degraded", "power save", "install error",
	},
	0x0b: {
		"fully redundant", "redundancy lost", "redundancy degraded",
		"not redundant, sufficient resources, from redundant",
		"not redundant, sufficient resources, from insufficient resources",
		"not redundant, insufficient resources",
		"redundancy degraded from fully redundant", "redundancy degraded from not redundant",
	},
	0x0c: {"D0 power state", "D1 power state", "D2 power state", "D3 power state"},
}

// severities are what the states of eventSeverity mean for the sensor, by offset.
var severities = []string{
	stateOK, stateNonCritical, stateCritical, stateNonRecoverable,
	stateNonCritical, stateCritical, stateNonRecoverable, stateOK, stateOK,
}

// specificStates are the states that belong to a sensor type (42.2, table
// 42-3), by type and offset.
var specificStates = [256][]string{
	0x05: {
		"chassis intrusion", "drive bay intrusion", "I/O card area intrusion", "processor area intrusion",
		"unplugged from LAN", "unauthorized dock", "fan area intrusion",
	},
	0x06: {
		"front panel lockout violation attempt", "pre-boot user password violation",
		"pre-boot setup password violation attempt", "pre-boot network password violation",
		"other pre-boot password violation", "out-of-band access password violation",
	},
	0x07: {
		"IERR", "thermal trip", "FRB1/BIST failure", "FRB2/hang in POST failure", "FRB3/startup failure",
		"configuration error", "uncorrectable CPU-complex error", "processor present", "processor disabled",
		"terminator present", "processor throttled", "uncorrectable machine check exception",
		"correctable machine check error",
	},
	0x08: {
		"present", "failure detected", "predictive failure", "input lost", "input lost or out of range",
		"input out of range, but present", "configuration error", "inactive (standby)",
	},
	0x09: {
		"power off", "power cycle", "240 VA power down", "interlock power down", "power input lost",
		"soft power control failure", "failure detected", "predictive failure",
	},
	0x0c: {
		"correctable memory error", "uncorrectable memory error", "parity error", "memory scrub failed",
		"memory device disabled", "correctable memory error logging limit reached", "present",
		"configuration error", "spare", "memory throttled", "critical overtemperature",
	},
	0x0d: {
		"drive present", "drive fault", "predictive failure", "hot spare", "consistency check in progress",
		"in critical array", "in failed array", "rebuild in progress", "rebuild aborted",
	},
	0x0f: {"system firmware error", "system firmware hang", "system firmware progress"},
	0x10: {
		"correctable memory error logging disabled", "event type logging disabled", "log cleared",
		"all event logging disabled", "log full", "log almost full",
		"correctable machine check error logging disabled",
	},
	0x11: {
		"BIOS watchdog reset", "OS watchdog reset", "OS watchdog shut down", "OS watchdog power down",
		"OS watchdog power cycle", "OS watchdog diagnostic interrupt", "OS watchdog expired, status only",
		"OS watchdog pre-timeout interrupt",
	},
	0x12: {
		"system reconfigured", "OEM system boot event", "undetermined system hardware failure",
		"entry added to auxiliary log", "PEF action", "timestamp clock synchronized",
	},
	0x13: {
		"front panel diagnostic interrupt", "bus timeout", "I/O channel check NMI", "software NMI", "PCI PERR",
		"PCI SERR", "EISA fail safe timeout", "bus correctable error", "bus uncorrectable error", "fatal NMI",
		"bus fatal error", "bus degraded",
	},
	0x14: {
		"power button pressed", "sleep button pressed", "reset button pressed", "FRU latch open", "FRU service request",
	},
	0x19: {"soft power control failure", "thermal trip"},
	0x1b: {"cable connected", "configuration error, incorrect cable"},
	0x1d: {
		"initiated by power up", "initiated by hard reset", "initiated by warm reset", "user requested PXE boot",
		"automatic boot to diagnostic", "hard reset initiated by OS", "warm reset initiated by OS", "system restart",
	},
	0x1e: {
		"no bootable media", "non-bootable diskette in drive", "PXE server not found", "invalid boot sector",
		"timeout waiting for selection of boot source",
	},
	0x1f: {
		"A: boot completed", "C: boot completed", "PXE boot completed", "diagnostic boot completed",
		"CD-ROM boot completed", "ROM boot completed", "boot completed", "OS installation started",
		"OS installation completed", "OS installation aborted", "OS installation failed",
	},
	0x20: {
		"critical stop during OS load", "run-time critical stop", "OS graceful stop", "OS graceful shutdown",
		"soft shutdown initiated by PEF", "agent not responding",
	},
	0x21: {
		"fault", "identify", "device installed", "ready for device installation", "ready for device removal",
		"slot power off", "device removal request", "interlock", "slot disabled", "holds spare device",
	},
	0x22: {
		"S0 / G0 working", "S1 sleeping, context maintained", "S2 sleeping, processor context lost",
		"S3 sleeping, memory retained", "S4 suspend to disk", "S5 / G2 soft off", "S4 or S5 soft off",
		"G3 mechanical off", "sleeping in S1, S2 or S3", "G1 sleeping", "S5 entered by override",
		"legacy on", "legacy off", "", "unknown",
	},
	0x23: {"timer expired", "hard reset", "power down", "power cycle", "", "", "", "", "timer interrupt"},
	0x24: {"page sent", "LAN alert sent", "platform event trap sent", "SNMP trap sent"},
	0x25: {"entity present", "entity absent", "entity disabled"},
	0x27: {"LAN heartbeat lost", "LAN heartbeat"},
	0x28: {
		"sensor access degraded or unavailable", "controller access degraded or unavailable",
		"controller off line", "controller unavailable", "sensor failure", "FRU failure",
	},
	0x29: {"battery low", "battery failed", "battery present"},
	0x2a: {"session activated", "session deactivated", "invalid user name or password", "access disabled after bad passwords"},
	0x2b: {
		"hardware change detected", "software change detected", "hardware incompatibility detected",
		"software incompatibility detected", "invalid hardware version", "invalid software version",
		"hardware change successful", "software change successful",
	},
	0x2c: {
		"FRU not installed", "FRU inactive", "FRU activation requested", "FRU activation in progress", "FRU active",
		"FRU deactivation requested", "FRU deactivation in progress", "FRU communication lost",
	},
}
