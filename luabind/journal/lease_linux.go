package journal

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// leaseMode lets every account lock the file and write its name into it.
const leaseMode = 0o666

// openLease opens the file of a machine, and makes it where there is none. In
// a folder that all may write, what is found under a name need not be ours: a
// link could lead the write anywhere.
func openLease(dir, machine string) (*os.File, error) {
	path := leasePath(dir, machine)
	for range 10 {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			if err := makeLease(dir, path); err != nil && !errors.Is(err, unix.EEXIST) {
				return nil, primitives.Wrap(leaseOp, machine, "the lease "+path+" cannot be made", err)
			}
			continue
		}
		if errors.Is(err, unix.ELOOP) {
			return nil, primitives.Errorf(primitives.Denied, leaseOp, machine, "%s is a link, not a lease; remove it", path)
		}
		if err != nil {
			return nil, primitives.Wrap(leaseOp, machine, "the lease "+path+" cannot be opened", err)
		}
		file := os.NewFile(uintptr(fd), path)
		if err := plainFile(fd); err != nil {
			file.Close()
			return nil, primitives.Errorf(primitives.Denied, leaseOp, machine, "%s is no lease: %v; remove it", path, err)
		}
		return file, nil
	}
	return nil, primitives.Errorf(primitives.Busy, leaseOp, machine, "the lease %s comes and goes; try again", path)
}

func plainFile(fd int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is no regular file")
	}
	if stat.Nlink != 1 {
		return errors.New("the file has another name besides")
	}
	return nil
}

// makeLease puts an empty file there that has its final mode from its first
// moment, and does nothing where there is one already.
func makeLease(dir, path string) error {
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := file.Chmod(leaseMode); err != nil {
		return err
	}
	return unix.Renameat2(unix.AT_FDCWD, file.Name(), unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
}

// leasePath escapes what cannot stand in a file name.
func leasePath(dir, machine string) string {
	var name strings.Builder
	for i := 0; i < len(machine); i++ {
		c := machine[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			name.WriteByte(c)
		default:
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	return filepath.Join(dir, name.String()+".lease")
}

// tryLock takes the file's lock; false where another has it.
func tryLock(file *os.File) (bool, error) { return flock(file, unix.LOCK_EX) }

// trySharedLock is true where nobody has tryLock's.
func trySharedLock(file *os.File) (bool, error) { return flock(file, unix.LOCK_SH) }

func flock(file *os.File, how int) (bool, error) {
	err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// thisProcess fills in what tells this process from every other.
func thisProcess() (Holder, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Holder{}, err
	}
	begun, err := startOf(os.Getpid())
	if err != nil {
		return Holder{}, err
	}
	self := Holder{UID: os.Getuid(), PID: os.Getpid(), Start: begun, BootID: strings.TrimSpace(string(boot))}
	self.Account = strconv.Itoa(self.UID)
	if account, err := user.LookupId(self.Account); err == nil {
		self.Account = account.Username
	}
	return self, nil
}

// alive tells whether the holder's process runs since the same boot.
func (h Holder) alive(bootID string) bool {
	if h.BootID != bootID {
		return false
	}
	begun, err := startOf(h.PID)
	return err == nil && begun == h.Start
}

// startOf gives field 22 of /proc/PID/stat (proc(5)). The second field, the
// program's name, may hold blanks and parentheses, so counting begins behind
// the last one.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has only %d fields after the name", pid, len(fields))
	}
	return fields[19], nil
}
