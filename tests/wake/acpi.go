//go:build linux

package wake

import "encoding/binary"

// slot is the NIC's place on the PCI bus. QEMU's firmware tables call the slot
// S18: its number times eight, as a device and function (hexadecimal).
const (
	slot       = 3
	slotObject = "S18"
)

// wakeTable is a secondary ACPI table that says of the NIC's slot what the
// firmware of a machine that can be woken says:
//
//	Scope (\_SB.PCI0.S18) { Name (_PRW, Package () { 13, 5 }) }
//
// that is: the device raises general-purpose event 13, and can wake the machine
// from every sleep state down to S5, soft off. Without it Linux believes that
// the card cannot wake, and its driver offers no mode.
//
// Source: ACPI specification 6.5, sections 5.2.11.2 (SSDT), 7.3.13 (_PRW) and
// 20.2 (AML).
func wakeTable() []byte {
	const (
		event        = 13
		deepestState = 5
		nameOp       = 0x08
		bytePrefix   = 0x0a
		packageOp    = 0x12
		scopeOp      = 0x10
	)
	values := []byte{2 /* elements */, bytePrefix, event, bytePrefix, deepestState}
	object := append([]byte{packageOp}, withLength(values)...)
	named := append([]byte{nameOp}, append([]byte("_PRW"), object...)...)
	scope := append([]byte{scopeOp}, withLength(append(path("_SB_", "PCI0", slotObject+"_"), named...))...)
	return table("SSDT", scope)
}

// path is an absolute name of several segments.
func path(segments ...string) []byte {
	const rootChar, multiNamePrefix = '\\', 0x2f
	name := []byte{rootChar, multiNamePrefix, byte(len(segments))}
	for _, segment := range segments {
		name = append(name, segment...)
	}
	return name
}

// withLength puts a length in front that counts itself; one byte holds up to 63.
func withLength(content []byte) []byte { return append([]byte{byte(len(content) + 1)}, content...) }

// table puts the header of an ACPI table in front, with the checksum that makes
// the sum of all bytes zero.
func table(signature string, content []byte) []byte {
	const revision, checksum = 2, 9
	out := append([]byte(signature), 0, 0, 0, 0, revision, 0)
	out = append(out, "CTYS  WAKETEST"...)         // who made it, and for what
	out = binary.LittleEndian.AppendUint32(out, 1) // its version
	out = append(out, "CTYS"...)                   // with which compiler
	out = binary.LittleEndian.AppendUint32(out, 1) // of which version
	out = append(out, content...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)))
	var sum byte
	for _, each := range out {
		sum += each
	}
	out[checksum] = -sum
	return out
}
