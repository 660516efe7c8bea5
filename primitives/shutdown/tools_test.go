package shutdown

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"ctys/primitives"
)

// toolClient is an armed client on a system without a bus that has the named
// programs, and a record of what it ran. Its programs are never run.
func toolClient(t *testing.T, systemd bool, euid int, programs ...string) (*Client, *[]string) {
	t.Helper()
	var ran []string
	client := New(Options{Armed: true, BusAddress: "unix:path=/nonexistent/bus",
		Run: func(_ context.Context, argv []string, stdin string) (string, int, error) {
			ran = append(ran, strings.Join(argv, " ")+strings.TrimSuffix("<"+stdin, "<"))
			return "", 0, nil
		}})
	client.kernel = noKernel(t)
	client.systemd = func() bool { return systemd }
	client.euid = euid
	client.account = func() string { return "wol1" }
	client.find = func(program string) string {
		if slices.Contains(programs, program) {
			return "/sbin/" + program
		}
		return ""
	}
	return client, &ran
}

func TestTools(t *testing.T) {
	level := func(n int) Request { return Request{Method: RunLevel, Level: n} }
	systemd := []string{"systemctl", "shutdown", "telinit"}
	sysv := []string{"shutdown", "telinit", "poweroff"}
	cases := []struct {
		request  Request
		systemd  bool
		programs []string
		ran      string
	}{
		{Request{Method: PowerOff}, true, systemd, "/sbin/systemctl --no-ask-password --no-wall poweroff"},
		{Request{Method: Reboot}, true, systemd, "/sbin/systemctl --no-ask-password --no-wall reboot"},
		{Request{Method: Halt}, true, systemd, "/sbin/systemctl --no-ask-password --no-wall halt"},
		{level(0), true, systemd, "/sbin/systemctl --no-ask-password --no-wall poweroff"},
		{level(1), true, systemd, "/sbin/systemctl --no-ask-password --no-block isolate rescue.target"},
		{level(2), true, systemd, "/sbin/systemctl --no-ask-password --no-block isolate multi-user.target"},
		{level(3), true, systemd, "/sbin/systemctl --no-ask-password --no-block isolate multi-user.target"},
		{level(4), true, systemd, "/sbin/systemctl --no-ask-password --no-block isolate multi-user.target"},
		{level(5), true, systemd, "/sbin/systemctl --no-ask-password --no-block isolate graphical.target"},
		{level(6), true, systemd, "/sbin/systemctl --no-ask-password --no-wall reboot"},
		{Request{Method: PowerOff}, false, sysv, "/sbin/shutdown -h -P now"},
		{Request{Method: Reboot}, false, sysv, "/sbin/shutdown -r now"},
		{Request{Method: Halt}, false, sysv, "/sbin/shutdown -h -H now"},
		{level(3), false, sysv, "/sbin/telinit 3"},
		{Request{Method: PowerOff}, false, []string{"poweroff"}, "/sbin/poweroff"},
		{Request{Method: Reboot}, false, []string{"reboot"}, "/sbin/reboot"},
		{Request{Method: Halt}, false, []string{"halt"}, "/sbin/halt"},
	}
	for _, c := range cases {
		client, ran := toolClient(t, c.systemd, 0, c.programs...)
		if err := client.Supported(context.Background(), c.request); err != nil || len(*ran) != 0 {
			t.Errorf("%v: Supported: %v, ran %q", c.request, err, *ran)
		}
		got, err := client.Do(context.Background(), c.request)
		if err != nil || got.Prepare || !strings.HasPrefix(c.ran, "/sbin/"+got.Via) {
			t.Errorf("%v: %+v, %v", c.request, got, err)
		}
		if strings.Join(*ran, "\n") != c.ran {
			t.Errorf("%v: ran %q, want %q", c.request, *ran, c.ran)
		}
	}
}

func TestToolsThatCannot(t *testing.T) {
	request := Request{Method: PowerOff}
	client, _ := toolClient(t, false, 0)
	for _, err := range []error{client.Supported(context.Background(), request), second(client.Do(context.Background(), request))} {
		if primitives.KindOf(err) != primitives.Unsupported || !strings.Contains(err.Error(), "shutdown or poweroff") {
			t.Errorf("no tool: %v", err)
		}
	}

	failing := func(context.Context, []string, string) (string, int, error) { return "must be root\n", 1, nil }
	client, _ = toolClient(t, true, 1000, "systemctl")
	client.Run = failing
	for _, err := range []error{client.Supported(context.Background(), request), second(client.Do(context.Background(), request))} {
		if primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "wol1") {
			t.Errorf("not root: %v", err)
		}
	}

	client, _ = toolClient(t, true, 0, "systemctl")
	client.Run = failing
	_, err := client.Do(context.Background(), request)
	if primitives.KindOf(err) != primitives.Internal || !strings.Contains(err.Error(), "must be root") {
		t.Errorf("failing tool: %v", err)
	}

	client.Run = func(context.Context, []string, string) (string, int, error) { return "", 0, os.ErrPermission }
	if _, err := client.Do(context.Background(), request); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("tool that may not run: %v", err)
	}
}

func second(_ Accepted, err error) error { return err }

func TestRunProgram(t *testing.T) {
	output, exit, err := runProgram(context.Background(), []string{"/bin/sh", "-c", "cat; echo err >&2; exit 3"}, "in ")
	if output != "in err\n" || exit != 3 || err != nil {
		t.Errorf("got %q, %d, %v", output, exit, err)
	}
	if _, _, err := runProgram(context.Background(), []string{"/nonexistent"}, ""); err == nil {
		t.Error("a missing program ran")
	}
	if findProgram("sh") == "" || findProgram("ctys-no-such-program") != "" {
		t.Error("findProgram")
	}
}
