package ipmi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bougou/go-ipmi/pkg/types"
)

// The suite that a BMC took is proposed first by the next process, and what
// that one finds out replaces it.
func TestSuiteIsRemembered(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "cache", "ctys")
	b := &fakeBMC{suites: []types.CipherSuiteID{3}}
	target := b.serve(t, "127.111.4.1")
	for i, want := range []int{6, 5} { // one proposal is refused, the first time
		before, _ := b.seen()
		if _, err := New(Options{Cache: folder}).Status(within5s(t), target); err != nil {
			t.Fatal(err)
		}
		if after, _ := b.seen(); after-before != want {
			t.Errorf("process %d sent %d packets, want %d", i+1, after-before, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, memoryFile))
	if err != nil || string(text) != "3 "+target.address()+"\n" {
		t.Errorf("%q, %v", text, err)
	}
	b.mu.Lock()
	b.suites = []types.CipherSuiteID{17}
	b.mu.Unlock()
	if _, err := New(Options{Cache: folder}).Status(within5s(t), target); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(folder, memoryFile)); string(text) != "17 "+target.address()+"\n" {
		t.Errorf("%q after the BMC's suites have changed", text)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v: want the one file", left, err)
	}
}

// What another process learns meanwhile stays in the file.
func TestMemoryIsShared(t *testing.T) {
	folder := t.TempDir()
	var addresses []string
	for range 2 {
		target := (&fakeBMC{}).serve(t, "127.111.4.2")
		if _, err := New(Options{Cache: folder}).Status(within5s(t), target); err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, target.address())
	}
	text, _ := os.ReadFile(filepath.Join(folder, memoryFile))
	for _, address := range addresses {
		if !strings.Contains(string(text), "17 "+address+"\n") {
			t.Errorf("%q does not have %s", text, address)
		}
	}
}

// A file that is nonsense, lies, or cannot be had changes nothing.
func TestMemoryIsOnlyAHint(t *testing.T) {
	b := &fakeBMC{suites: []types.CipherSuiteID{3}}
	target := b.serve(t, "127.111.4.3")
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folders := []string{"", file, "/proc/no/such"}
	for _, text := range []string{"17 " + target.address(), "0 " + target.address(), "\x00\xff\n\n3", strings.Repeat("x", 1<<17)} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, memoryFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		folders = append(folders, folder)
	}
	for _, folder := range folders {
		c := New(Options{Cache: folder})
		if _, err := c.Status(within5s(t), target); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		if got := c.bmcs.of(target.address()).suite; got != 3 {
			t.Errorf("%s: suite %d was used", folder, got)
		}
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte("17 192.0.2.7:623\n3 [2001:db8::1]:623\n0 x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for address, suite := range parseMemory(bytes.NewReader(text)) {
			if suite != 17 && suite != 3 {
				t.Errorf("%q has suite %d", address, suite)
			}
		}
	})
}

// What several calls learn one after the other is kept, too, however soon the
// process ends.
func TestMemoryIsWrittenAtTheEnd(t *testing.T) {
	folder := t.TempDir()
	c := New(Options{Cache: folder})
	for _, address := range []string{"127.106.4.1", "127.106.4.2", "127.106.4.3"} {
		if _, err := c.Status(within5s(t), (&fakeBMC{}).serve(t, address)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	if text, err := os.ReadFile(filepath.Join(folder, memoryFile)); err != nil || bytes.Count(text, []byte("\n")) != 3 {
		t.Errorf("%q, %v", text, err)
	}
}
