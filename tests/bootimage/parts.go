//go:build linux

package bootimage

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ctys/tests/testneed"
)

// Parts are the files of which a machine's kernel and initramfs are made.
type Parts struct {
	Kernel       string // path of the Linux kernel, unpacked (ELF): the quickest to boot
	PackedKernel string // path of the same as Debian ships it (bzImage): comes back from a suspend to RAM
	Busybox      string // path of a static busybox

	cache string
}

var got struct {
	sync.Once
	parts Parts
	err   error
}

// Get gives the parts. The first call on a machine downloads 75 MB by apt-get;
// later ones take some milliseconds. It skips the test where apt-get cannot.
func Get(t testing.TB) Parts {
	t.Helper()
	testneed.Program(t, "apt-get", "apt")
	testneed.Program(t, "dpkg-deb", "dpkg")
	got.Do(func() { got.parts, got.err = get() })
	if got.err != nil {
		testneed.Skip(t, t.Name(), "nothing to boot: "+strings.ReplaceAll(got.err.Error(), "\n", " "),
			"give apt-get a mirror with linux-image-amd64 and "+strings.Join(small, ", "))
	}
	return got.parts
}

// get makes or finds the parts; one process at a time.
func get() (Parts, error) {
	cache, err := cacheFolder()
	if err != nil {
		return Parts{}, err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return Parts{}, err
	}
	defer unlock()
	parts := Parts{
		Kernel:       filepath.Join(cache, "vmlinux"),
		PackedKernel: filepath.Join(cache, "vmlinuz"),
		Busybox:      filepath.Join(cache, "busybox"),
		cache:        cache,
	}
	if parts.complete() {
		return parts, nil
	}
	return parts, parts.download()
}

// complete tells whether an earlier run left all that machines need.
func (p Parts) complete() bool {
	paths := []string{p.Kernel, p.PackedKernel, p.Busybox}
	for _, module := range modules {
		paths = append(paths, p.module(module))
	}
	for _, program := range programs {
		paths = append(paths, filepath.Join(p.tree(), program))
	}
	return exist(paths...)
}

func (p Parts) module(name string) string { return filepath.Join(p.cache, "modules", name+".ko") }

// tree is the folder with the programs and their libraries, each at the path
// that it has on a machine.
func (p Parts) tree() string { return filepath.Join(p.cache, "tree") }

// download fetches and unpacks the packages and keeps what machines need.
func (p Parts) download() error {
	work, err := os.MkdirTemp(p.cache, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	root := filepath.Join(work, "root")
	if err := unpackPackages(work, root); err != nil {
		return err
	}
	for _, keep := range []func(root string) error{p.keepKernel, p.keepModules, p.keepBusybox, p.keepPrograms} {
		if err := keep(root); err != nil {
			return err
		}
	}
	return nil
}

func (p Parts) keepBusybox(root string) error {
	path, err := one(root, "bin/busybox", "usr/bin/busybox")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return replace(p.Busybox, content, 0o755)
}
