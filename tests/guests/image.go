//go:build linux

package guests

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ctys/tests/testneed"

	"golang.org/x/sys/unix"
)

// Image is what every guest boots: a kernel and an initramfs.
type Image struct {
	Kernel  string // path of an uncompressed Linux kernel (ELF)
	Initrd  string // path of the initramfs
	Busybox string // path of a static busybox, for containers
}

// initScript is PID 1 of a guest.
//
//go:embed init.sh
var initScript []byte

// modules are the parts of Debian's kernel that a guest loads.
var modules = []string{
	"button", "evdev",
	"virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_console",
}

var built struct {
	sync.Once
	image Image
	err   error
}

// BuildGuest gives the image that every guest boots. The first call on a
// machine downloads 70 MB by apt-get; later ones take some milliseconds. It
// skips the test where apt-get cannot.
func BuildGuest(t testing.TB) Image {
	t.Helper()
	testneed.Program(t, "apt-get", "apt")
	testneed.Program(t, "dpkg-deb", "dpkg")
	built.Do(func() { built.image, built.err = build() })
	if built.err != nil {
		testneed.Skip(t, t.Name(), "no guest image: "+strings.ReplaceAll(built.err.Error(), "\n", " "),
			"give apt-get a mirror with linux-image-amd64 and busybox-static")
	}
	return built.image
}

// build makes or finds the image; one process at a time.
func build() (Image, error) {
	cache, err := cacheFolder()
	if err != nil {
		return Image{}, err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	image := Image{
		Kernel:  filepath.Join(cache, "vmlinux"),
		Initrd:  filepath.Join(cache, "initrd"),
		Busybox: filepath.Join(cache, "busybox"),
	}
	if !complete(cache, image) {
		if err := download(cache, image); err != nil {
			return Image{}, err
		}
	}
	return image, writeInitrd(cache, image)
}

// cacheFolder is .cache/guests at the root of the repository.
func cacheFolder() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for !exist(filepath.Join(folder, "go.mod")) {
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod above the working folder")
		}
		folder = parent
	}
	folder = filepath.Join(folder, ".cache", "guests")
	return folder, os.MkdirAll(folder, 0o755)
}

// complete tells whether an earlier run left all that guests need.
func complete(cache string, image Image) bool {
	paths := []string{image.Kernel, image.Busybox}
	for _, module := range modules {
		paths = append(paths, filepath.Join(cache, "modules", module+".ko"))
	}
	return exist(paths...)
}

func exist(paths ...string) bool {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// download fetches and unpacks the two packages and keeps what guests need.
func download(cache string, image Image) error {
	work, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	kernel, err := kernelPackage()
	if err != nil {
		return err
	}
	if _, err := run(work, "apt-get", "-o", "APT::Sandbox::User=root", "-q", "download", kernel, "busybox-static"); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range packages {
		if _, err := run(work, "dpkg-deb", "-x", file, filepath.Join(work, "root")); err != nil {
			return err
		}
	}
	return keep(filepath.Join(work, "root"), cache, image)
}

// kernelPackage is the package that linux-image-amd64 stands for.
func kernelPackage() (string, error) {
	out, err := run("", "apt-cache", "depends", "linux-image-amd64")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(out, "\n") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok {
			return "linux-image-" + name, nil
		}
	}
	return "", errors.New("apt-cache does not know linux-image-amd64: run apt-get update")
}

func run(folder, program string, args ...string) (string, error) {
	command := exec.Command(program, args...)
	command.Dir = folder
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// keep copies kernel, modules and busybox from the unpacked packages.
func keep(root, cache string, image Image) error {
	busybox, err := one(root, "bin/busybox", "usr/bin/busybox")
	if err != nil {
		return err
	}
	packed, err := one(root, "boot/vmlinuz-*")
	if err != nil {
		return err
	}
	folder := filepath.Join(cache, "modules")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := keepModules(root, folder); err != nil {
		return err
	}
	content, err := os.ReadFile(packed)
	if err != nil {
		return err
	}
	kernel, err := unpackKernel(content)
	if err != nil {
		return err
	}
	if err := replace(image.Kernel, kernel, 0o644); err != nil {
		return err
	}
	if content, err = os.ReadFile(busybox); err != nil {
		return err
	}
	return replace(image.Busybox, content, 0o755)
}

// one is the first file that one of the patterns matches.
func one(root string, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("the packages have no %s", strings.Join(patterns, " or "))
}

// keepModules finds the modules, packed or not, anywhere below root.
func keepModules(root, folder string) error {
	wanted := map[string]bool{}
	for _, module := range modules {
		wanted[module] = true
	}
	return filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, packed := strings.CutSuffix(entry.Name(), ".xz")
		module, isModule := strings.CutSuffix(name, ".ko")
		if !isModule || !wanted[module] {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if packed {
			if content, err = unxz(content); err != nil {
				return err
			}
		}
		return replace(filepath.Join(folder, name), content, 0o644)
	})
}

// writeInitrd packs busybox, modules and the script anew at each run of the
// tests, so that a changed script is never missed.
func writeInitrd(cache string, image Image) error {
	busybox, err := os.ReadFile(image.Busybox)
	if err != nil {
		return err
	}
	var initrd archive
	for _, folder := range []string{"bin", "dev", "proc", "sys", "modules"} {
		initrd.folder(folder)
	}
	initrd.program("bin/busybox", busybox)
	for _, applet := range []string{"sh", "mount", "cat", "echo", "head", "insmod", "sleep", "poweroff", "reboot"} {
		initrd.link("bin/"+applet, "busybox")
	}
	for _, module := range modules {
		content, err := os.ReadFile(filepath.Join(cache, "modules", module+".ko"))
		if err != nil {
			return err
		}
		initrd.entry("modules/"+module+".ko", modeFile|0o644, content)
	}
	initrd.program("init", initScript)
	return replace(image.Initrd, initrd.bytes(), 0o644)
}

// replace writes a file whole or not at all, and leaves one with the same
// content alone: another process may be booting it.
func replace(path string, content []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(content) {
		return nil
	}
	if err := os.WriteFile(path+".new", content, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
