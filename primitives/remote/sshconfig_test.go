package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

func resolved(t *testing.T, text string, target Target) *settings {
	t.Helper()
	h := newHome(t)
	h.config(t, text)
	s, err := New(Options{Home: h.dir, ConfigFile: filepath.Join(h.dir, ".ssh", "config"), AgentSocket: "none"}).resolve(target)
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range s.identityFiles {
		s.identityFiles[i] = strings.ReplaceAll(file, h.dir, "~")
	}
	for i, file := range s.knownHosts {
		s.knownHosts[i] = strings.ReplaceAll(file, h.dir, "~")
	}
	return s
}

func TestConfig(t *testing.T) {
	s := resolved(t, `
# a comment
host=web?  *.lab	!web9
	HostName %h.example.org
	Port = 2222
	user "operator"
	IdentityFile ~/.ssh/%r@%n
	IdentityFile "~/.ssh/my key"
	ConnectTimeout 7
	AddressFamily inet
	UserKnownHostsFile ~/.ssh/a "~/.ssh/b c"
	GlobalKnownHostsFile none
	HostKeyAlias Alias
Host web1
	Port 1
	ProxyJump a@one:22,[::1]:23
	IdentityFile ~/.ssh/third
	IdentitiesOnly yes
Match host web1 exec "false"
	User nobody
Match all
	HashKnownHosts yes
`, Target{Host: "web1"})
	if s.name != "web1.example.org" || s.address != s.name || s.port != 2222 || s.user != "operator" || s.network != "tcp4" ||
		s.timeout != 7*time.Second || !s.identitiesOnly || !s.hashNames || s.proxyJump != "a@one:22,[::1]:23" || s.keyName() != "alias" {
		t.Errorf("%+v", s)
	}
	if want := []string{"~/.ssh/operator@web1", "~/.ssh/my key", "~/.ssh/third"}; !reflect.DeepEqual(s.identityFiles, want) {
		t.Errorf("identities %q", s.identityFiles)
	}
	if len(s.knownHosts) != 2 || s.knownHosts[0] != "~/.ssh/a" {
		t.Errorf("known_hosts %q", s.knownHosts)
	}
	if len(s.skipped) != 1 || !strings.Contains(s.skipped[0], `exec "false"`) {
		t.Errorf("skipped %q", s.skipped)
	}
	if s := resolved(t, "Host web? !web9\nPort 5\n", Target{Host: "web9"}); s.port != 22 {
		t.Errorf("a negated pattern matched: %+v", s)
	}
}

func TestTargetWinsOverConfig(t *testing.T) {
	s := resolved(t, "Host *\n User a\n Port 1\n HostName other\n IdentityFile ~/x\n ProxyJump j\n",
		Target{Host: "h", Address: "10.0.0.5", Port: 9, User: "b", IdentityFile: "/k", Via: []Target{{Host: "v"}}})
	if s.user != "b" || s.port != 9 || s.address != "10.0.0.5" || s.name != "other" || s.identityFiles[0] != "/k" || s.proxyJump != "" {
		t.Errorf("%+v", s)
	}
}

func TestDefaults(t *testing.T) {
	s := resolved(t, "", Target{Host: "h"})
	if want := []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}; !reflect.DeepEqual(s.identityFiles, want) {
		t.Errorf("identities %q", s.identityFiles)
	}
	if want := []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}; !reflect.DeepEqual(s.knownHosts, want) {
		t.Errorf("known_hosts %q", s.knownHosts)
	}
	if s.port != 22 || s.user != me() || s.acceptNew {
		t.Errorf("%+v", s)
	}
}

func TestInclude(t *testing.T) {
	h := newHome(t)
	ssh := filepath.Join(h.dir, ".ssh")
	if err := os.Mkdir(filepath.Join(ssh, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(ssh, "d", "1"), "Host box\n Port 1001\nHost *\n User one\n")
	write(t, filepath.Join(ssh, "d", "2"), "User two\nMatch final all\n HostKeyAlias k\n")
	write(t, filepath.Join(ssh, "only"), "Port 77\n")
	h.config(t, "Include d/*\nHost other\n Include only\n HostName there\nHost box\n HostName here\n")
	client := New(Options{Home: h.dir, ConfigFile: filepath.Join(ssh, "config"), AgentSocket: "none"})
	box, err := client.resolve(Target{Host: "box"})
	if err != nil || box.port != 1001 || box.user != "one" || box.name != "here" || box.keyAlias != "k" {
		t.Errorf("%+v, %v", box, err)
	}
	other, err := client.resolve(Target{Host: "other"})
	if err != nil || other.port != 77 || other.name != "there" {
		t.Errorf("%+v, %v", other, err)
	}
	h.config(t, "Include config\n")
	if _, err := client.resolve(Target{Host: "box"}); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("a file that includes itself: %v", err)
	}
}

func TestBadConfig(t *testing.T) {
	h := newHome(t)
	client := New(Options{Home: h.dir, ConfigFile: filepath.Join(h.dir, ".ssh", "config")})
	for _, text := range []string{"Port x", "Port 0", "HostName %z", "ConnectTimeout -1", "IdentityFile ${CTYS_NOT_SET}/k", "IdentityFile %"} {
		h.config(t, text+"\n")
		if _, err := client.resolve(Target{Host: "h"}); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
	h.config(t, "ProxyCommand nc %h %p\n")
	if _, err := client.route(Target{Host: "h"}); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("%v", err)
	}
	h.config(t, "Host a\nProxyJump b\nHost b\nProxyJump a\n")
	if _, err := client.route(Target{Host: "a"}); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("%v", err)
	}
}

func TestRoute(t *testing.T) {
	h := newHome(t)
	h.config(t, "Host target\n ProxyJump one,u@two:24\nHost one\n ProxyJump zero\nHost two\n ProxyJump never\nHost last\n ProxyJump none\n")
	client := New(Options{Home: h.dir, ConfigFile: filepath.Join(h.dir, ".ssh", "config")})
	for host, want := range map[string]string{"target": "zero:22 one:22 two:24 target:22", "last": "last:22"} {
		hops, err := client.route(Target{Host: host})
		var got []string
		for _, hop := range hops {
			got = append(got, hop.endpoint())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", host, got, err)
		}
	}
}

func TestParseJumps(t *testing.T) {
	for value, want := range map[string][]Target{
		"a":                   {{Host: "a"}},
		"u@a:2":               {{Host: "a", User: "u", Port: 2}},
		"u@d@a":               {{Host: "a", User: "u@d"}},
		"ssh://u@a:2/, b":     {{Host: "a", User: "u", Port: 2}, {Host: "b"}},
		"::1":                 {{Host: "::1"}},
		"[::1]:3,[fe80::1]":   {{Host: "::1", Port: 3}, {Host: "fe80::1"}},
		"a:0":                 nil,
		"":                    nil,
		"a,":                  nil,
		"-oProxyCommand=x":    nil,
		"a b":                 nil,
		"u@-x":                nil,
		"a:99999999999999999": nil,
	} {
		got, err := parseJumps(value)
		if fmt.Sprint(got) != fmt.Sprint(want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"Host a\n Port 1\n", "Match exec x\nInclude y\n", "=\n", "Host\n", "host = \"a b\" # c\r\nPort=2", "Match host a,b\n\x00k v"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, _ := plainConfig("config", []byte(text))
		// The reader leaves out what it does not know, so that only the
		// parser's own refusals remain. Inclusion is of no interest here.
		if strings.Contains(string(plain), includeKeyword) {
			return
		}
		reader := &configReader{home: t.TempDir(), alias: "a"}
		if err := reader.parse("config", []byte(text), 0); err != nil {
			return
		}
		for _, e := range reader.entries {
			if e.keyword == "" || strings.ContainsAny(e.value, "\n\x00") {
				t.Errorf("entry %q", e)
			}
		}
	})
}

func FuzzJumps(f *testing.F) {
	for _, seed := range []string{"a", "u@h:1,[::1]:2", "ssh://x/", "@", "[", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		jumps, err := parseJumps(value)
		for _, jump := range jumps {
			if err == nil && (jump.Host == "" || strings.HasPrefix(jump.Host, "-") || jump.Port < 0 || jump.Port > 65535) {
				t.Errorf("%q: %+v", value, jump)
			}
		}
	})
}
