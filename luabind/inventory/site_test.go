package inventory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

func TestSite(t *testing.T) {
	site, err := ParseSite("site.lua", []byte(`return {
  deadline = 240, at_deadline = "destroy", max_targets = 5, ping_trials = 2, ping_wait = 0.5,
  sshping_trials = 3, sshping_wait = 1, poweroff_delay = 0, announce_delay = 7, resend = 4,
  limit = 32, limit_per_host = 16, limit_per_hypervisor = 8, mail = "ops@example.org", shifts = { "day", "night" },
}`))
	if err != nil {
		t.Fatal(err)
	}
	if site.Deadline != 240*time.Second || site.AtDeadline != "destroy" || site.MaxTargets != 5 || site.PingTrials != 2 ||
		site.PingWait != 500*time.Millisecond || site.SSHPingTrials != 3 || site.SSHPingWait != time.Second ||
		site.PoweroffDelay != 0 || site.AnnounceDelay != 7*time.Second || site.Resend != 4*time.Second ||
		site.Limit != 32 || site.LimitPerHost != 16 || site.LimitPerHypervisor != 8 || site.Extra["mail"] != "ops@example.org" {
		t.Errorf("%+v", site)
	}
	values := site.Values()
	if values["deadline"] != 240.0 || values["mail"] != "ops@example.org" || values["limit"] != 32.0 || len(values) != 15 {
		t.Errorf("%v", values)
	}
}

func TestSiteDefaults(t *testing.T) {
	site, err := ParseSite("site.lua", []byte("return {}"))
	if err != nil {
		t.Fatal(err)
	}
	if site.Deadline != 180*time.Second || site.MaxTargets != 20 || site.PingTrials != 40 || site.PingWait != 3*time.Second ||
		site.SSHPingTrials != 20 || site.PoweroffDelay != 30*time.Second || site.AnnounceDelay != 20*time.Second ||
		site.Resend != 10*time.Second || site.AtDeadline != "" {
		t.Errorf("%+v", site)
	}
	if _, set := site.Values()["limit"]; set {
		t.Error("a limit that nobody set")
	}
}

func TestSiteMalformed(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "site.lua:1: the file must `return` one table, and returns nothing"},
		{"return 7", "site.lua:1: the file must `return` one table, and returns a number"},
		{"return {\n deadline = \"3m\" }", `site.lua:2: site: deadline must be seconds above 0 to 604800, and is "3m"`},
		{"return {\n\n deadline = 0 }", "site.lua:3: site: deadline must be seconds above 0 to 604800, and is 0"},
		{"return { deadline = 1e9 }", "site.lua:1: site: deadline must be seconds above 0 to 604800, and is 1000000000"},
		{"return { deadline = -1 }", "site.lua:1: site: deadline must be seconds above 0 to 604800, and is -1"},
		{"return { at_deadline = \"kill\" }", `site.lua:1: site: at_deadline must be destroy or stop, and is "kill"`},
		{"return { at_deadline = true }", "site.lua:1: site: at_deadline must be text in quotes, and is true"},
		{"return { max_targets = 0 }", "site.lua:1: site: max_targets must be a number from 1 to 100000, and is 0"},
		{"return { max_targets = 2.5 }", "site.lua:1: site: max_targets must be a whole number, and is 2.5"},
		{"return { max_targets = {} }", "site.lua:1: site: max_targets must be a number from 1 to 100000, and is a table"},
		{"return { ping_trials = 0 }", "site.lua:1: site: ping_trials must be a number from 1 to 100000, and is 0"},
		{"return { ping_wait = -1 }", "site.lua:1: site: ping_wait must be seconds from 0 to 3600, and is -1"},
		{"return { sshping_trials = \"x\" }", `site.lua:1: site: sshping_trials must be a number from 1 to 100000, and is "x"`},
		{"return { sshping_wait = 4000 }", "site.lua:1: site: sshping_wait must be seconds from 0 to 3600, and is 4000"},
		{"return { poweroff_delay = false }", "site.lua:1: site: poweroff_delay must be seconds from 0 to 604800, and is false"},
		{"return { announce_delay = \"20\" }", `site.lua:1: site: announce_delay must be seconds from 0 to 604800, and is "20"`},
		{"return { resend = 0 }", "site.lua:1: site: resend must be seconds above 0 to 3600, and is 0"},
		{"return { limit = 0 }", "site.lua:1: site: limit must be a number from 1 to 100000, and is 0"},
		{"return { limit_per_hypervisor = -8 }", "site.lua:1: site: limit_per_hypervisor must be a number from 1 to 100000, and is -8"},
		{"return {\n dead_line = 3 }", `site.lua:2: site: unknown key "dead_line": did you mean "deadline"?`},
		{"return { max_target = 3 }", `site.lua:1: site: unknown key "max_target": did you mean "max_targets"?`},
		{"return { Deadline = 3 }", `site.lua:1: site: unknown key "Deadline": did you mean "deadline"?`},
		{"return { 180 }", "site.lua:1: site: 180 stands without a key"},
		{"return { hook = function() end }", "site.lua:1: the file is data: a function is no value here"},
		{"return { deadline = 1, deadline = 2 }", `site.lua:1: "deadline" stands twice in this table`},
		{"return { deadline = os.time() }", "site.lua:1: `os` is not defined here"},
		{"return {\n deadline = 180\n limit = 3 }", `site.lua:3: syntax error near "limit"`},
		{"\x1bLua", "site.lua:1: this is compiled Lua"},
		{"while true do end", "site.lua:1: the file has not ended after 10,000,000 steps"},
	} {
		_, err := ParseSite("site.lua", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), "site.load: "+test.want) || primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%q: %v, want %s", test.text, err, test.want)
		}
	}
}

func TestFind(t *testing.T) {
	home, system := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("CTYS_X", "")
	expect := func(explicit, want string) {
		t.Helper()
		path, found, err := find("machines.lua", explicit, "CTYS_X", system)
		if err != nil || path != want || found != (want != "") {
			t.Errorf("%q %v %v, want %q", path, found, err, want)
		}
	}
	expect("", "")
	inSystem := write(t, filepath.Join(system, "machines.lua"), "return {}", 0o644)
	expect("", inSystem)
	os.MkdirAll(filepath.Join(home, ".config", "ctys"), 0o755)
	inHome := write(t, filepath.Join(home, ".config", "ctys", "machines.lua"), "return {}", 0o644)
	expect("", inHome)
	xdg := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", xdg)
	expect("", inSystem)
	os.Mkdir(filepath.Join(xdg, "ctys"), 0o755)
	inXDG := write(t, filepath.Join(xdg, "ctys", "machines.lua"), "return {}", 0o644)
	expect("", inXDG)
	t.Setenv("XDG_CONFIG_HOME", "relative")
	expect("", inHome)
	t.Setenv("CTYS_X", inSystem)
	expect("", inSystem)
	expect(inXDG, inXDG)

	for explicit, want := range map[string]string{
		"/no/such/file": "/no/such/file does not exist",
		"":              "/no/such/either does not exist (named by $CTYS_X)",
	} {
		t.Setenv("CTYS_X", "/no/such/either")
		_, _, err := find("machines.lua", explicit, "CTYS_X", system)
		if err == nil || !strings.Contains(err.Error(), want) || primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "machines.lua"), "\xef\xbb\xbfreturn { a = {} }", 0o644)
	inv, err := Load(path)
	if err != nil || inv.Row("a") == nil || inv.Dir != dir {
		t.Error(inv, err)
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "none does not exist") {
		t.Error(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "is a folder, not a file") {
		t.Error(err)
	}
	sitePath := write(t, filepath.Join(dir, "site.lua"), "return { limit = 3 }", 0o644)
	if site, err := LoadSite(sitePath); err != nil || site.Limit != 3 || site.Path != sitePath {
		t.Error(site, err)
	}
	if _, err := LoadSite(filepath.Join(dir, "none")); err == nil {
		t.Error("no error for a site.lua that is not there")
	}
}
