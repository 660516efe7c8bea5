package remote

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// pollReader reads a file without ever being stuck in a read: when the command
// has ended, the next key belongs to whoever reads the terminal then.
type pollReader struct {
	file  *os.File
	awake *os.File // its end says that nothing is read any more
	wake  *os.File
	gate  chan struct{} // closed when reading may begin

	mu     sync.Mutex
	opened bool
	halted bool
}

func newPollReader(file *os.File) (*pollReader, error) {
	awake, wake, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &pollReader{file: file, awake: awake, wake: wake, gate: make(chan struct{})}, nil
}

// release lets reading begin: not before the terminal is raw.
func (r *pollReader) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.opened {
		r.opened = true
		close(r.gate)
	}
}

// halt ends reading.
func (r *pollReader) halt() {
	r.release()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.halted {
		r.halted = true
		r.wake.Close()
	}
}

func (r *pollReader) Read(p []byte) (int, error) {
	<-r.gate
	for {
		halted, readable, err := r.poll()
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("poll", err)
		case halted:
			return 0, io.EOF
		case readable:
			return r.file.Read(p)
		}
	}
}

// poll waits for a key or for halt.
func (r *pollReader) poll() (halted, readable bool, err error) {
	input := descriptor(r.file)
	if input < 0 {
		return false, true, nil // reading will say that the file is closed
	}
	descriptors := []unix.PollFd{
		{Fd: int32(descriptor(r.awake)), Events: unix.POLLIN},
		{Fd: int32(input), Events: unix.POLLIN},
	}
	_, err = unix.Poll(descriptors, -1)
	return descriptors[0].Revents != 0, descriptors[1].Revents != 0, err
}

// descriptor is the file's, without making it a blocking one as File.Fd does.
// It is -1 where the file is closed.
func descriptor(file *os.File) int {
	number := -1
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { number = int(fd) })
	}
	return number
}

// terminalModes takes the special keys and UTF-8 of the local terminal over to
// the other side (RFC 4254, section 8; RFC 8160).
func terminalModes(local *os.File) ssh.TerminalModes {
	modes := ssh.TerminalModes{ssh.ECHO: 1, ssh.TTY_OP_ISPEED: 38400, ssh.TTY_OP_OSPEED: 38400}
	if local == nil {
		return modes
	}
	state, err := unix.IoctlGetTermios(descriptor(local), unix.TCGETS)
	if err != nil {
		return modes
	}
	for mode, index := range map[uint8]int{
		ssh.VINTR: unix.VINTR, ssh.VQUIT: unix.VQUIT, ssh.VERASE: unix.VERASE, ssh.VKILL: unix.VKILL, ssh.VEOF: unix.VEOF,
		ssh.VSTART: unix.VSTART, ssh.VSTOP: unix.VSTOP, ssh.VSUSP: unix.VSUSP, ssh.VWERASE: unix.VWERASE, ssh.VLNEXT: unix.VLNEXT,
	} {
		modes[mode] = uint32(state.Cc[index])
	}
	if state.Iflag&unix.IUTF8 != 0 {
		modes[ssh.IUTF8] = 1
	}
	return modes
}
