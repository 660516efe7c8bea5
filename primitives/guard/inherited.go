package guard

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInherited closes what this process has open from before it was this
// program, but for the standard streams: a lock or a line of somebody else, which
// would last as long as the child. What Go has opened itself is closed on exec
// (fcntl(2), FD_CLOEXEC), and what has come through an exec is not. Where the
// system does not list its descriptors (proc(5)), nothing is closed.
func CloseInherited() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil || number <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(number)
		}
	}
}
