package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// Main runs the tests of m in a new network namespace and gives the exit
// status. Without the right to make one it runs them where they are.
func Main(m *testing.M) int {
	switch os.Getenv(insideVariable) {
	case started:
		if err := enter(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		os.Setenv(insideVariable, entered) // for the processes of a fuzz test
		return m.Run()
	case entered:
		return m.Run()
	}
	// The death signal of the second run follows this thread, not the process.
	runtime.LockOSThread()
	if cause := possible(); cause != nil {
		os.Setenv(causeVariable, cause.Error())
		return m.Run()
	}
	return exitStatus(again(os.Args[1:]...).Run())
}

// possible tries out whether the kernel gives this process a namespace.
func possible() error {
	probe := again("-test.list=^$")
	probe.Stdout, probe.Stderr = nil, nil
	return probe.Run()
}

func again(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.Command(self, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"="+started)
	cmd.SysProcAttr = namespaces()
	return cmd
}

// namespaces asks for a network and a mount namespace (for /sys, which shows
// the network namespace it was mounted in), and for a user namespace where
// that is what it takes to be allowed to.
func namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// enter gives the process the /sys of its namespace.
func enter() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mounting /sys of the network namespace: %w", err)
	}
	return nil
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
