package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"ctys/cmd/ctys/form"
)

// version is set when the program is linked (-ldflags -X main.version=…).
var version = "development"

// version prints it.
func (a *app) version(form.Options, []string) int {
	io.WriteString(a.stdout, "ctys "+version+"\n")
	return exitReached
}

// programVersion is what a desk and an agent compare. One name may stand for
// many builds of sources that are not committed; the program's digest tells
// those apart.
func programVersion() string {
	if version != "development" && version != "unversioned" && !strings.Contains(version, "dirty") {
		return version
	}
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return version
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return version
	}
	return version + "+" + hex.EncodeToString(digest.Sum(nil)[:6])
}
