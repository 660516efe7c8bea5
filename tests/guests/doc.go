// Package guests is a test rig: a private libvirtd and real QEMU guests on it.
//
//	libvirtd := guests.StartLibvirtd(t)
//	guest := libvirtd.DefineGuest(t, "db1", guests.HonoursACPI)
//	guest.Start(t)
//	guest.WaitReady(t)
//	... ctys on guest.URI ...
//
// The libvirtd lives in namespaces of its own (mounts, processes, network): it
// sees nothing of the machine's libvirt, and when the test's process ends, for
// whatever reason, the kernel ends everything in them.
//
// The guests are a kernel and a busybox (see tests/bootimage). They run by
// emulation (TCG) on one virtual CPU and need no network. Linux, root.
package guests
