package shutdown

import (
	"context"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

// logSocket is a system log of the test's own.
func logSocket(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return path, func() string {
		t.Helper()
		buffer := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
}

func TestAnnounce(t *testing.T) {
	client, ran := toolClient(t, true, 0, "wall")
	path, next := logSocket(t)
	client.logs = []string{"/nonexistent/log", path}
	client.Warn = func(message string) { t.Errorf("warned: %s", message) }
	if err := client.Announce(context.Background(), "going down\x1b[2J\tnow\nby ctys\n"); err != nil {
		t.Fatal(err)
	}
	if want := "/sbin/wall<going down [2J now\nby ctys\n"; strings.Join(*ran, "|") != want {
		t.Errorf("ran %q, want %q", *ran, want)
	}
	for _, line := range []string{"going down [2J now", "by ctys"} {
		form := regexp.MustCompile(`^<29>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d ctys\[\d+\]: ` + regexp.QuoteMeta(line) + `$`)
		if got := next(); !form.MatchString(got) {
			t.Errorf("log got %q, want %s", got, form)
		}
	}
}

func TestAnnounceHalf(t *testing.T) {
	cases := []struct {
		name     string
		programs []string
		log      bool
		warned   string
		failed   bool
	}{
		{"no wall", nil, true, "bsdutils", false},
		{"no log", []string{"wall"}, false, "system log", false},
		{"neither", nil, false, "", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			client, _ := toolClient(t, true, 0, c.programs...)
			client.logs = []string{"/nonexistent/log"}
			if c.log {
				path, _ := logSocket(t)
				client.logs = []string{path}
			}
			var warnings []string
			client.Warn = func(message string) { warnings = append(warnings, message) }
			err := client.Announce(context.Background(), "down")
			if (err != nil) != c.failed {
				t.Errorf("error: %v", err)
			}
			if got := strings.Join(warnings, "|"); !strings.Contains(got, c.warned) || (c.warned == "") != (got == "") {
				t.Errorf("warned %q, want %q", got, c.warned)
			}
		})
	}
}

func TestAnnounceNothing(t *testing.T) {
	client, ran := toolClient(t, true, 0, "wall")
	if err := client.Announce(context.Background(), " \n"); primitives.KindOf(err) != primitives.Invalid || len(*ran) != 0 {
		t.Errorf("%v, ran %q", err, *ran)
	}
}
