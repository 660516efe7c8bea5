package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ctys/primitives"
	"ctys/tests/testneed"
)

// program is something to install: a script that, asked for it, tells its sum
// with what the other side may not have in its PATH.
func program(size int) (binary func() (io.ReadCloser, error), length int64, sum string, text []byte) {
	text = []byte("#!/bin/sh\n[ \"$1 $2\" = 'agent sum' ] && { PATH=/usr/bin:/bin; sha256sum <\"$0\"; exit; }\necho it runs\nexit 0\n")
	filler := make([]byte, size)
	rand.New(rand.NewSource(1)).Read(filler)
	text = append(text, hex.EncodeToString(filler)...)
	digest := sha256.Sum256(text)
	return opener(text), int64(len(text)), hex.EncodeToString(digest[:]), text
}

func opener(text []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
}

// names lists what a folder has.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

// installDesk is a desk at a server whose logins keep caches in the folder
// returned, and whose HOME is empty.
func installDesk(t *testing.T, lines ...string) (conn *Conn, cache string) {
	t.Helper()
	cache = filepath.Join(t.TempDir(), "cache")
	h, s := desk(t, append(lines, "SetEnv XDG_CACHE_HOME="+cache)...)
	return connect(t, h.options(), s.target()), cache
}

func TestInstall(t *testing.T) {
	conn, cache := installDesk(t)
	binary, size, sum, _ := program(300_000)
	if path, ok, err := conn.Installed(limited(t), sum, "ctys"); path != "" || ok || err != nil {
		t.Errorf("%q, %v, %v", path, ok, err)
	}
	want := cache + "/ctys/ctys"
	path, err := conn.Install(limited(t), binary, size, sum, "ctys")
	if path != want || err != nil {
		t.Fatalf("%q, %v", path, err)
	}
	if out, err := conn.Output(limited(t), path); out != "it runs\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if found := names(t, filepath.Join(cache, "ctys")); found != "ctys" {
		t.Errorf("left behind: %s", found)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// There already: nothing is opened.
	unopened := func() (io.ReadCloser, error) { return nil, errors.New("opened") }
	if path, err := conn.Install(limited(t), unopened, size, sum, "ctys"); path != want || err != nil {
		t.Errorf("%q, %v", path, err)
	}
	if path, ok, err := conn.Installed(limited(t), sum, "ctys"); path != want || !ok || err != nil {
		t.Errorf("%q, %v, %v", path, ok, err)
	}
	// Another version, or a file that was tampered with, is replaced.
	write(t, want, "old")
	if path, err := conn.Install(limited(t), binary, size, sum, "ctys"); path != want || err != nil {
		t.Errorf("%q, %v", path, err)
	}
	if _, ok, err := conn.Installed(limited(t), sum, "ctys"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestInstallAtOnce(t *testing.T) {
	conn, cache := installDesk(t)
	binary, size, sum, _ := program(300_000)
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := conn.Install(limited(t), binary, size, sum, "ctys"); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	if found := names(t, filepath.Join(cache, "ctys")); found != "ctys" {
		t.Errorf("left behind: %s", found)
	}
}

func TestInstallCorrupt(t *testing.T) {
	conn, cache := installDesk(t)
	binary, size, sum, text := program(300_000)
	other := opener(append([]byte("x"), text[1:]...))
	broken := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(text[:1000]), failing{})), nil
	}
	for name, attempt := range map[string]func() error{
		"not what the sum says": func() error { _, err := conn.Install(limited(t), other, size, sum, "ctys"); return err },
		"not what the size says": func() error {
			_, err := conn.Install(limited(t), binary, size+1, sum, "ctys")
			return err
		},
		"no sum":  func() error { _, err := conn.Install(limited(t), binary, size, "x", "ctys"); return err },
		"no name": func() error { _, err := conn.Install(limited(t), binary, size, sum, "../ctys"); return err },
		"option":  func() error { _, _, err := conn.Installed(limited(t), sum, ""); return err },
	} {
		if err := attempt(); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := conn.Install(limited(t), broken, size, sum, "ctys"); err == nil {
		t.Error("a program that cannot be read was installed")
	}
	// What arrives is not what was sent.
	for _, form := range []string{"plain", "gzip"} {
		out, _, exit, err := conn.script(limited(t), bytes.NewReader([]byte("no")), "put", filepath.Join(cache, "ctys"), "ctys", sum, form, "token")
		if found := parseFindings(out); err != nil || exit == 0 || found.have != "" || found.differs != (form == "plain") {
			t.Errorf("%s: %q, exit %d, %v", form, out, exit, err)
		}
	}
	if found := names(t, filepath.Join(cache, "ctys")); found != "" {
		t.Errorf("left behind: %s", found)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// A line that is cut in the middle leaves nothing.
func TestInstallCut(t *testing.T) {
	conn, cache := installDesk(t)
	_, size, sum, text := program(300_000)
	cut := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(text[:len(text)/2]), breaking{conn})), nil
	}
	if _, err := conn.Install(limited(t), cut, size, sum, "ctys"); err == nil {
		t.Fatal("installed over a line that was cut")
	}
	eventually(t, "nothing is left behind", func() bool { return names(t, filepath.Join(cache, "ctys")) == "" })
}

type breaking struct{ conn *Conn }

func (b breaking) Read([]byte) (int, error) {
	b.conn.wire.Conn.Close()
	<-b.conn.Done()
	return 0, errors.New("cut")
}

func TestInstallPlaces(t *testing.T) {
	conn, cache := installDesk(t)
	binary, size, sum, _ := program(1000)
	dir := filepath.Join(cache, "ctys")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	fallback := fmt.Sprintf("/var/tmp/ctys-%d", os.Getuid())
	name := fmt.Sprintf("ctys-test-%d", os.Getpid())
	t.Cleanup(func() {
		os.Remove(filepath.Join(fallback, name))
		os.Remove(fallback) // where nothing else is in it
		os.Remove(fmt.Sprintf("/run/user/%d/ctys/%s", os.Getuid(), name))
	})
	elsewhere := t.TempDir()
	if err := os.Chmod(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	for what, prepare := range map[string]func() error{
		"a symbolic link":      func() error { return os.Symlink(elsewhere, dir) },
		"others may write":     func() error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o770)) },
		"a file":               func() error { return os.WriteFile(dir, nil, 0o700) },
		"somebody else's":      func() error { return errors.Join(os.Mkdir(dir, 0o700), foreign(dir)) },
		"nowhere to create it": func() error { return errors.Join(os.RemoveAll(cache), os.WriteFile(cache, nil, 0o600)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Cleanup(func() { os.RemoveAll(cache); os.Mkdir(cache, 0o700) })
			if err := prepare(); errors.Is(err, os.ErrPermission) {
				testneed.Root(t)
			} else if err != nil {
				t.Fatal(err)
			}
			path, err := conn.Install(limited(t), binary, size, sum, name)
			if err != nil || strings.HasPrefix(path, cache) || !strings.HasSuffix(path, "/"+name) {
				t.Errorf("%q, %v", path, err)
			}
		})
	}
	if found := names(t, elsewhere); found != "" {
		t.Errorf("written through a link: %s", found)
	}
}

func foreign(dir string) error { return os.Chown(dir, 12345, 12345) }

// A server in a mount namespace of its own, whose cache may not execute or is
// too small: the next folder is taken.
func TestInstallElsewhere(t *testing.T) {
	testneed.Root(t)
	unshare := testneed.Program(t, "unshare", "util-linux")
	if out, err := exec.Command(unshare, "-m", "true").CombinedOutput(); err != nil {
		testneed.Skip(t, "a folder that may not execute", strings.TrimSpace(string(out)), "run make test where mount namespaces are allowed")
	}
	for _, options := range []string{"noexec", "size=64k"} {
		t.Run(options, func(t *testing.T) {
			cache := t.TempDir()
			h, s := desk(t, "SetEnv XDG_CACHE_HOME="+cache+"/",
				"ForceCommand unshare -m sh -c 'mount -t tmpfs -o mode=0700,"+options+" ctys-test "+cache+" && exec sh -c \"$SSH_ORIGINAL_COMMAND\"'")
			conn := connect(t, h.options(), s.target())
			binary, size, sum, _ := program(200_000)
			name := fmt.Sprintf("ctys-elsewhere-%d", os.Getpid())
			t.Cleanup(func() {
				os.Remove(fmt.Sprintf("/var/tmp/ctys-%d/%s", os.Getuid(), name))
				os.Remove(fmt.Sprintf("/var/tmp/ctys-%d", os.Getuid())) // where nothing else is in it
				os.Remove(fmt.Sprintf("/run/user/%d/ctys/%s", os.Getuid(), name))
			})
			path, err := conn.Install(limited(t), binary, size, sum, name)
			if err != nil || strings.HasPrefix(path, cache) {
				t.Fatalf("%q, %v", path, err)
			}
			if found := names(t, cache); found != "" {
				t.Errorf("outside of the mount: %s", found)
			}
		})
	}
}

// The other side has nothing but some programs of busybox or the system's.
func TestInstallBareSystems(t *testing.T) {
	busybox := testneed.Program(t, "busybox", "busybox")
	for _, c := range []struct {
		name     string
		programs string
		binary   string // whose programs; empty is the system's
	}{
		{"busybox", "sh dd gzip sha256sum ls id mkdir rm chmod mv cat find cut", busybox},
		{"busybox without sums and gzip", "sh dd ls id mkdir rm chmod mv cat", busybox},
		{"openssl", "sh dd ls id mkdir rm chmod mv cat gzip openssl", ""},
		{"shasum", "sh dd ls id mkdir rm chmod mv cat gzip shasum", ""},
		{"none", "sh dd ls id mkdir rm chmod mv cat gzip", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			for _, name := range strings.Fields(c.programs) {
				target := c.binary
				if target == "" {
					target = testneed.Program(t, name, "coreutils, gzip, openssl or perl")
				}
				if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
					t.Fatal(err)
				}
			}
			cache := filepath.Join(t.TempDir(), "a cache")
			h, s := desk(t, `SetEnv "XDG_CACHE_HOME=`+cache+`" PATH=`+bin, "ForceCommand sh -c \"$SSH_ORIGINAL_COMMAND\"")
			conn := connect(t, h.options(), s.target())
			binary, size, sum, text := program(100_000)
			want := cache + "/ctys/ctys"
			for range 2 {
				if path, err := conn.Install(limited(t), binary, size, sum, "ctys"); path != want || err != nil {
					t.Fatalf("%q, %v", path, err)
				}
			}
			if got := read(t, want); got != string(text) {
				t.Error("another file has arrived")
			}
			_, words, _, _ := conn.script(limited(t), strings.NewReader("#!/bin/sh\necho 0\n"), "put", filepath.Dir(want), "other", sum, "plain", "token")
			if found := names(t, filepath.Dir(want)); found != "ctys" {
				t.Errorf("left behind: %s (%s)", found, words)
			}
		})
	}
}

// A login that is chatty does not confuse the answers.
func TestParseFindings(t *testing.T) {
	found := parseFindings("Welcome!\n@ usable relative\n@ usable /a/b\r\n@ refused /c: it is \x07odd\n @ have /no\n@ have /d/e\n@ gzip\n@ end\n@ more\n@")
	if found.usable != "/a/b" || found.have != "/d/e" || !found.packed || !found.whole || found.refused[0] != "/c: it is odd" {
		t.Errorf("%+v", found)
	}
}

func TestParseFindingsRefuses(t *testing.T) {
	for _, name := range []string{"relative", "/x\x1b[2J", ""} {
		if found := parseFindings("@ usable " + name + "\n@ have " + name); found.usable != "" || found.have != "" {
			t.Errorf("%+v", found)
		}
	}
}

func FuzzFindings(f *testing.F) {
	f.Add("@ have /a\n@ end")
	f.Add("@ usable /\x00\n@ differs")
	f.Fuzz(func(t *testing.T, output string) {
		found := parseFindings(output)
		for _, name := range []string{found.usable, found.have} {
			if name != "" && (!filepath.IsAbs(name) || strings.ContainsAny(name, "\n\x00\x1b")) {
				t.Errorf("%q", name)
			}
		}
	})
}
