//go:build linux

package bootimage

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// small are the packages beside the kernel.
var small = []string{"busybox-static", "dropbear-bin", "ethtool", "iproute2"}

// unpackPackages downloads the packages, with those that they depend on, to a
// folder and unpacks all of them below root.
func unpackPackages(folder, root string) error {
	kernel, err := kernelPackage()
	if err != nil {
		return err
	}
	names, err := withDependencies(small)
	if err != nil {
		return err
	}
	argv := append([]string{"-o", "APT::Sandbox::User=root", "-q", "download", kernel}, names...)
	if _, err := run(folder, "apt-get", argv...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := run(folder, "dpkg-deb", "-x", file, root); err != nil {
			return err
		}
	}
	return nil
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

// withDependencies gives the packages and all that they depend on.
func withDependencies(packages []string) ([]string, error) {
	argv := []string{"depends", "--recurse", "--no-recommends", "--no-suggests", "--no-enhances",
		"--no-conflicts", "--no-breaks", "--no-replaces"}
	out, err := run("", "apt-cache", append(argv, packages...)...)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range strings.Split(out, "\n") {
		// the lines of a package's own relations are indented, <…> is virtual
		if line != "" && !strings.ContainsAny(line[:1], " |<") {
			names = append(names, line)
		}
	}
	return names, nil
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

// one is the first file that one of the patterns matches.
func one(root string, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("the packages have no %s", strings.Join(patterns, " or "))
}
