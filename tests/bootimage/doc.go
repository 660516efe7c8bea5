// Package bootimage has what the emulated machines of the test rigs boot:
//
//	parts := bootimage.Get(t)
//	initrd, err := parts.Initrd("button", "evdev")
//	initrd.Program("init", script)
//	... qemu-system-x86_64 -kernel parts.Kernel -initrd ...
//
// Kernel, modules, busybox and programs are those of Debian's packages, which
// are downloaded once to .cache/bootimage at the root of the repository,
// unpacked, and never installed. Linux.
package bootimage
