//go:build linux

package bootimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// keepKernel keeps the kernel as it is and unpacked.
func (p Parts) keepKernel(root string) error {
	path, err := one(root, "boot/vmlinuz-*")
	if err != nil {
		return err
	}
	packed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	kernel, err := unpackKernel(packed)
	if err != nil {
		return err
	}
	if err := replace(p.PackedKernel, packed, 0o644); err != nil {
		return err
	}
	return replace(p.Kernel, kernel, 0o644)
}

// unpackKernel takes the ELF file out of a bzImage. QEMU starts it by the PVH
// protocol, so that the emulated processor need not unpack it at each boot.
// Source: Documentation/arch/x86/boot.rst of Linux, "payload_offset".
func unpackKernel(image []byte) ([]byte, error) {
	const setupSectors, magic, payloadOffset, payloadLength = 0x1f1, 0x202, 0x248, 0x24c
	if len(image) < 0x260 || string(image[magic:magic+4]) != "HdrS" {
		return nil, errors.New("this is no Linux kernel image")
	}
	start := (int(image[setupSectors])+1)*512 + int(binary.LittleEndian.Uint32(image[payloadOffset:]))
	length := int(binary.LittleEndian.Uint32(image[payloadLength:]))
	// the payload's last four bytes are its unpacked size
	if start < 0 || length < 8 || start+length > len(image) {
		return nil, errors.New("the kernel image is cut short")
	}
	elf, err := unxz(image[start : start+length-4])
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(elf, []byte("\x7fELF")) {
		return nil, errors.New("the kernel image holds no ELF file")
	}
	return elf, nil
}

// unxz unpacks by xz or, where that is missing, by busybox.
func unxz(packed []byte) ([]byte, error) {
	argv := []string{"xz", "-dc"}
	if _, err := exec.LookPath("xz"); err != nil {
		argv = []string{"busybox", "unxz", "-c"}
	}
	command := exec.Command(argv[0], argv[1:]...)
	command.Stdin = bytes.NewReader(packed)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("unpack with %s: %w", argv[0], err)
	}
	return out, nil
}
