//go:build linux

package guests

import (
	"bytes"
	"fmt"
)

// archive writes an initramfs: the cpio format "newc".
// Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
type archive struct {
	out   bytes.Buffer
	inode int
}

const (
	modeFile   = 0o100000
	modeFolder = 0o040000
	modeLink   = 0o120000
)

func (a *archive) folder(name string)             { a.entry(name, modeFolder|0o755, nil) }
func (a *archive) link(name, target string)       { a.entry(name, modeLink|0o777, []byte(target)) }
func (a *archive) program(name string, of []byte) { a.entry(name, modeFile|0o755, of) }

func (a *archive) entry(name string, mode int, content []byte) {
	a.inode++
	fmt.Fprintf(&a.out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.out.WriteString(name)
	a.out.WriteByte(0)
	a.pad()
	a.out.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.out.Len()%4 != 0 {
		a.out.WriteByte(0)
	}
}

// bytes ends the archive.
func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.out.Bytes()
}
