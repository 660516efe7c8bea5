package stack

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"ctys/primitives"
)

// survey runs as it is on this machine, whatever this machine has.
func TestSurveyRunsHere(t *testing.T) {
	out, err := runHere(context.Background(), "", []string{"sh", "-c", survey})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseSurvey(out); err != nil {
		t.Error(err)
	}
}

func TestHypervisors(t *testing.T) {
	refuse := func(cause error) Dial {
		return func(_ context.Context, _, network, address string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: cause}
		}
	}
	for _, test := range []struct {
		name   string
		answer string
		dial   Dial
		table  string // of xl
		types  string
		silent string
		kind   primitives.Kind
		says   string
	}{
		{name: "nothing", answer: "end"},
		{name: "cut short", answer: "", kind: primitives.Internal, says: "did not finish"},
		{name: "a dead socket", silent: "qemu lxc", answer: "socket libvirt-sock\nend", dial: refuse(syscall.ECONNREFUSED), kind: primitives.Unreachable, says: "systemctl start libvirtd"},
		{name: "a socket of others", silent: "qemu lxc", answer: "locked /var/run/libvirt/libvirt-sock\nend", kind: primitives.Denied, says: "usermod -aG libvirt root"},
		{name: "a socket that refuses", silent: "qemu", answer: "socket virtqemud-sock\nend", dial: refuse(syscall.EACCES), kind: primitives.Denied, says: "usermod -aG libvirt root"},
		{name: "guests and no daemon", silent: "qemu", answer: "guests qemu\nend", kind: primitives.Unreachable, says: "it has guests and no socket"},
		{name: "xl without Xen", answer: "xl\nend", table: ""},
		{name: "Xen that does not answer", silent: "xen", answer: "xen\nend", table: "", kind: primitives.Internal, says: "control domain"},
		{name: "Xen", answer: "xen\nend", table: xlTableOf(), types: "xen"},
		{name: "Xen beside a dead libvirtd", silent: "qemu lxc", answer: "xen\nsocket libvirt-sock\nend", table: xlTableOf(), dial: refuse(syscall.ECONNREFUSED), types: "xen", kind: primitives.Unreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := New(Options{Dial: test.dial, Run: func(_ context.Context, _ string, argv []string) (string, error) {
				switch strings.Join(argv, " ") {
				case "xl list -v":
					return test.table, nil
				case "xl info xen_version":
					return "4.17.5\n", nil
				}
				return test.answer, nil
			}})
			defer client.Close()
			list, err := client.Hypervisors(context.Background(), "root@lab01")
			var types, silent []string
			for _, hypervisor := range list {
				if hypervisor.Problem != nil {
					silent = append(silent, hypervisor.Type)
				} else {
					types = append(types, hypervisor.Type)
				}
			}
			if got := strings.Join(types, " "); got != test.types {
				t.Errorf("found %q, wanted %q", got, test.types)
			}
			if got := strings.Join(silent, " "); got != test.silent {
				t.Errorf("silent are %q, wanted %q", got, test.silent)
			}
			if (err != nil) != (test.kind != "") {
				t.Fatalf("the error is %v", err)
			}
			if err != nil && (primitives.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("the error is of kind %s: %v", primitives.KindOf(err), err)
			}
		})
	}
}

func TestHypervisorsOnAHostThatIsGone(t *testing.T) {
	client := New(Options{Run: func(context.Context, string, []string) (string, error) {
		return "", primitives.Wrap("remote.run", "lab01", "no route", errors.Join(syscall.EHOSTUNREACH))
	}})
	defer client.Close()
	if list, err := client.Hypervisors(context.Background(), "lab01"); list != nil || primitives.KindOf(err) != primitives.Unreachable {
		t.Errorf("found %v, %v", list, err)
	}
}
