//go:build linux

package guests

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// insideVariable tells a test binary that it has been started once more, as
// PID 1 of the rig's namespaces. Its value is the rig's folder.
const insideVariable = "CTYS_TEST_GUESTS_INSIDE"

// The rig needs a process that mounts, then starts libvirtd, reaps what
// libvirtd leaves behind, and ends with the test. The test binary itself is
// that program, so that nothing has to be installed or compiled for it.
func init() {
	folder := os.Getenv(insideVariable)
	if folder == "" {
		return
	}
	if err := inside(folder); err != nil {
		fmt.Println("failed", strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(1)
	}
	os.Exit(0)
}

// hidden are the machine's folders that libvirtd uses, and the folders of the
// rig that take their place.
var hidden = map[string]string{
	"/run/libvirt":       "run",
	"/var/lib/libvirt":   "lib",
	"/var/cache/libvirt": "cache",
	"/var/log/libvirt":   "log",
	"/etc/libvirt":       "etc",
}

// inside is the life of PID 1: one command a line on standard input, one line
// of answer each. The end of the input is the end of everything.
func inside(folder string) error {
	if err := mountAll(folder); err != nil {
		return err
	}
	keeper := &keeper{folder: folder}
	go keeper.reap()
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		answer, err := keeper.obey(strings.Fields(input.Text()))
		if err != nil {
			answer = "failed " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(answer)
	}
	return input.Err()
}

func mountAll(folder string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// also hides the sockets of the machine's services from libvirtd
	if err := unix.Mount("run", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.Mkdir("/run/libvirt", 0o755); err != nil {
		return err
	}
	for target, source := range hidden {
		if err := unix.Mount(filepath.Join(folder, source), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", target, err)
		}
	}
	// libvirt's containers fail where both versions of control groups are mounted
	_ = unix.Unmount("/sys/fs/cgroup/unified", unix.MNT_DETACH)
	return nil
}

// exitLimit bounds the end of libvirtd. What still runs then ends with PID 1.
const exitLimit = 20 * time.Second

// keeper starts libvirtd and knows when it has ended.
type keeper struct {
	folder string
	pid    int // of libvirtd

	mu   sync.Mutex
	left map[int]bool // processes that have ended since libvirtd's start
}

// reap collects every process that ends: libvirt believes that a guest runs as
// long as its process has not been collected.
func (k *keeper) reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err != nil || pid <= 0 {
				break
			}
			k.mu.Lock()
			k.left[pid] = true
			k.mu.Unlock()
		}
	}
}

func (k *keeper) obey(words []string) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("no command")
	}
	switch words[0] {
	case "start":
		return "done", k.start()
	case "signal":
		number, err := strconv.Atoi(words[1])
		if err != nil {
			return "", err
		}
		return "done", unix.Kill(k.pid, syscall.Signal(number))
	case "await-exit":
		return "done", k.awaitExit()
	}
	return "", fmt.Errorf("no command %q", words[0])
}

func (k *keeper) awaitExit() error {
	for deadline := time.Now().Add(exitLimit); !k.hasExited(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("libvirtd has not ended within %s", exitLimit)
		}
	}
	return nil
}

func (k *keeper) hasExited() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left[k.pid]
}

func (k *keeper) start() error {
	program, err := exec.LookPath("libvirtd")
	if err != nil {
		program = "/usr/sbin/libvirtd"
	}
	log, err := os.OpenFile(filepath.Join(k.folder, "libvirtd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	argv := []string{program, "-f", filepath.Join(k.folder, "libvirtd.conf"), "-p", filepath.Join(k.folder, "libvirtd.pid")}
	k.mu.Lock()
	k.left = map[int]bool{}
	k.mu.Unlock()
	environment := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + k.folder}
	k.pid, err = syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Env:   environment,
		Files: []uintptr{0, log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	return err
}
