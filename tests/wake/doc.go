// Package wake is a test rig: an emulated machine that is switched off, or
// suspended to RAM, and woken through its network card.
//
//	m := wake.Start(t, wake.Options{Name: "lab01"})
//	m.Run(t, "ethtool -s eth0 wol g")
//	m.PowerOff(t)
//	... somebody at m.Desk sends a magic packet to m.MAC ...
//	m.WaitBoot(t, 2)
//
// The machine is QEMU on emulated hardware (TCG) beside a desk of package
// machine, where programs of the test stand as those of another host. It has
// Debian's kernel, busybox with its init, an SSH server (dropbear) and ethtool,
// and its card eth0 is a port of a bridge br0, which has the address. It has no
// disk: what is written in it is lost when it goes off.
//
// What is real: the kernel's driver (e1000e), which is asked for Wake-on modes
// in the common way and writes the card's registers as the machine goes down;
// the firmware table that lets the driver offer a mode (see wakeTable); the
// power-off and the suspend to RAM by ACPI; bridges and frames on the way to the
// machine's end of its cable.
//
// What is not: QEMU's card does nothing with its wake-up registers, so the
// chassis of this package does it in its place. While the machine sleeps, the
// chassis reads the frames on its cable, and where the card would wake the
// machine by what the driver has left in its registers (armed, addressed to it,
// its own address sixteen times), it switches the machine on, or tells QEMU to
// end the suspension. It keeps the card powered as a mainboard does on standby;
// no firmware has a setting that forbids that, and no mains fails. The other
// modes (unicast, ARP, link change) and passwords wake nothing.
//
// Linux; root, QEMU, iproute2, util-linux, and once a Debian mirror. A test that
// asks for a machine where one is missing is skipped and says so. QEMU ends with
// the test's process, however that ends.
package wake
