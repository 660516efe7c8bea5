// Package kernel runs tests of another package once more, on Debian's kernel in
// an emulated machine, for what the kernel may lack that runs the tests.
//
//	kernel.Run(t, "ctys/primitives/bridge", "TestVLANs")
//
// The machine is QEMU on emulated hardware (TCG): the kernel and its modules,
// busybox, iproute2 and the test binary, which runs as root. It has no disk and no
// network card; what its tests need of interfaces they make. Linux; root is not
// needed. A test that asks for a machine where QEMU or a Debian mirror is missing
// is skipped and says so. QEMU ends with the test's process, however that ends.
package kernel
