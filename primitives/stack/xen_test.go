package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
)

const (
	domU = "77000000-0000-4000-8000-525400770101"

	xlJSON = `[
    {"domid": 0, "config": {"c_info": {"type": "pv", "name": "Domain-0", "uuid": "00000000-0000-0000-0000-000000000000"}}},
    {"domid": 1, "config": {"c_info": {"type": "pv", "name": "tst100", "uuid": "77000000-0000-4000-8000-525400770101"},
     "nics": [{"devid": 0, "mac": "52:54:00:77:01:01", "bridge": "br0"}, {"devid": 1, "mac": "00:00:00:00:00:00"}]}}
]`
)

// fakeXen plays the programs of a Xen host.
type fakeXen struct {
	sync.Mutex
	table string
	saved bool
	fail  error
	calls []string
}

func (f *fakeXen) run(_ context.Context, host string, argv []string) (string, error) {
	f.Lock()
	defer f.Unlock()
	if host != "lab01" {
		return "", fmt.Errorf("asked on %q", host)
	}
	line := strings.Join(argv, " ")
	if f.fail != nil {
		return "", f.fail
	}
	switch {
	case line == "xl list -v":
		return f.table, nil
	case line == "xl list -l":
		return xlJSON, nil
	case argv[0] == "sh" && strings.Contains(argv[2], "test -e"):
		if f.saved {
			return "saved\n", nil
		}
		return "none\n", nil
	case argv[0] == "sh":
		return "/etc/xen/tst100.cfg\n", nil
	}
	f.calls = append(f.calls, line)
	return "", nil
}

func (f *fakeXen) set(table string) {
	f.Lock()
	defer f.Unlock()
	f.table = table
}

func xlTableOf(lines ...string) string {
	return strings.Join(append([]string{
		"Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label",
		"Domain-0                                     0  1536     1     r-----      40.9 00000000-0000-0000-0000-000000000000        -                -",
	}, lines...), "\n") + "\n"
}

func xlRow(id int, state string) string {
	return fmt.Sprintf("tst100                                   %5d   192     1     %s       2.5 %s        -                -", id, state, domU)
}

func newXen(t *testing.T, table string) (*Client, *fakeXen, Ref, context.Context) {
	t.Helper()
	fake := &fakeXen{table: table}
	client := New(Options{Run: fake.run, Clock: FastClock{Start: time.Now()}})
	t.Cleanup(func() { client.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return client, fake, Ref{URI: "xen+ssh://lab01/", UUID: domU}, ctx
}

func TestXenList(t *testing.T) {
	client, _, ref, ctx := newXen(t, xlTableOf(xlRow(1, "-b----")))
	list, err := client.List(ctx, ref.URI)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Ref != ref || list[0].Name != "tst100" || list[0].State != Running ||
		len(list[0].MACs) != 1 || list[0].ID != 1 || list[0].Witness == "" {
		t.Errorf("list is %+v", list)
	}
}

// What "xl list -l" leaves out is not lost.
func TestXenGuestWithoutConfiguration(t *testing.T) {
	client, _, ref, ctx := newXen(t, xlTableOf(xlRow(7, "-b----")))
	list, err := client.List(ctx, ref.URI)
	if err != nil || len(list) != 1 || list[0].UUID != domU || list[0].State != Running {
		t.Errorf("list is %+v, %v", list, err)
	}
}

func TestXenVerbs(t *testing.T) {
	for _, test := range []struct {
		name   string
		do     func(*Client, context.Context, Ref) error
		wanted []string
		kind   primitives.Kind
	}{
		{"shutdown", func(c *Client, ctx context.Context, r Ref) error { return c.Shutdown(ctx, r, ModeParavirt) }, []string{"xl shutdown 1"}, ""},
		{"button", func(c *Client, ctx context.Context, r Ref) error { return c.Shutdown(ctx, r, ModeACPI) }, []string{"xl trigger 1 power"}, ""},
		{"agent", func(c *Client, ctx context.Context, r Ref) error { return c.Shutdown(ctx, r, ModeAgent) }, nil, primitives.Unsupported},
		{"no mode", func(c *Client, ctx context.Context, r Ref) error { return c.Shutdown(ctx, r, "") }, nil, primitives.Invalid},
		{"reboot", func(c *Client, ctx context.Context, r Ref) error { return c.Reboot(ctx, r, ModeParavirt) }, []string{"xl reboot 1"}, ""},
		{"reset", func(c *Client, ctx context.Context, r Ref) error { return c.Reset(ctx, r) }, nil, primitives.Unsupported},
		{"destroy", func(c *Client, ctx context.Context, r Ref) error { return c.Destroy(ctx, r) }, []string{"xl destroy 1"}, ""},
		{"suspend", func(c *Client, ctx context.Context, r Ref) error { return c.Suspend(ctx, r) }, []string{"xl pause 1"}, ""},
		{"resume", func(c *Client, ctx context.Context, r Ref) error { return c.Resume(ctx, r) }, []string{"xl unpause 1"}, ""},
		{"save", func(c *Client, ctx context.Context, r Ref) error { return c.ManagedSave(ctx, r) }, []string{
			"mkdir -p /var/lib/xen/save/",
			"xl save 1 /var/lib/xen/save/." + domU + ".part",
			"mv /var/lib/xen/save/." + domU + ".part /var/lib/xen/save/" + domU}, ""},
		{"start while it runs", func(c *Client, ctx context.Context, r Ref) error { return c.Start(ctx, r) }, nil, primitives.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, fake, ref, ctx := newXen(t, xlTableOf(xlRow(1, "-b----")))
			err := test.do(client, ctx, ref)
			if (err != nil) != (test.kind != "") || err != nil && primitives.KindOf(err) != test.kind {
				t.Errorf("the error is %v, wanted kind %q", err, test.kind)
			}
			if got := strings.Join(fake.calls, "\n"); got != strings.Join(test.wanted, "\n") {
				t.Errorf("it called:\n%s", got)
			}
		})
	}
}

func TestXenStart(t *testing.T) {
	client, fake, ref, ctx := newXen(t, xlTableOf())
	if err := client.Start(ctx, ref); err != nil {
		t.Fatal(err)
	}
	fake.saved = true
	if guest, err := client.Inspect(ctx, ref); err != nil || guest.State != Saved {
		t.Errorf("with an image it is %s, %v", guest.State, err)
	}
	if err := client.Start(ctx, ref); err != nil {
		t.Fatal(err)
	}
	used := "/var/lib/xen/save/." + domU + ".restored"
	wanted := []string{"xl create -q /etc/xen/tst100.cfg",
		"mv /var/lib/xen/save/" + domU + " " + used, "xl restore " + used, "rm -f " + used}
	if got := strings.Join(fake.calls, "\n"); got != strings.Join(wanted, "\n") {
		t.Errorf("it called:\n%s", got)
	}
}

// A guest is off when Xen has it no more, not while it is being cleaned up.
func TestXenShutdownIsSeen(t *testing.T) {
	client, fake, ref, ctx := newXen(t, xlTableOf(xlRow(1, "--ps--")))
	guest, err := client.Inspect(ctx, ref)
	if err != nil || guest.State != ShuttingDown || guest.State.Power() != primitives.PowerOn {
		t.Errorf("--ps-- is %s, %v", guest.State, err)
	}
	time.AfterFunc(30*time.Millisecond, func() { fake.set(xlTableOf()) })
	if guest, err = client.Await(ctx, ref, Off); err != nil || guest.State != Off {
		t.Errorf("gone is %s, %v", guest.State, err)
	}
}

func TestXenRebootIsWitnessed(t *testing.T) {
	client, fake, ref, ctx := newXen(t, xlTableOf(xlRow(1, "r-----")))
	subscription, err := client.Subscribe(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer subscription.Close()
	time.AfterFunc(30*time.Millisecond, func() { fake.set(xlTableOf(xlRow(2, "r-----"))) })
	if err := subscription.Await(ctx, EventReboot); err != nil {
		t.Error(err)
	}
}

// While a guest reboots, Xen has it not at all for a moment.
func TestXenRebootIsNotOff(t *testing.T) {
	client, fake, ref, ctx := newXen(t, xlTableOf(xlRow(1, "---sr-")))
	time.AfterFunc(30*time.Millisecond, func() { fake.set(xlTableOf()) })
	time.AfterFunc(150*time.Millisecond, func() { fake.set(xlTableOf(xlRow(2, "r-----"))) })
	guest, err := client.Await(ctx, ref, Off, Running)
	if err != nil || guest.State != Running || guest.ID != 2 {
		t.Errorf("it is %s with id %d, %v", guest.State, guest.ID, err)
	}
}

// What xl says in error, or does not say, is never off.
func TestXenSilenceIsNotOff(t *testing.T) {
	for name, spoil := range map[string]func(*fakeXen){
		"empty": func(f *fakeXen) { f.table = "" },
		"no Domain-0": func(f *fakeXen) {
			f.table = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
		},
		"error":        func(f *fakeXen) { f.fail = errors.New("xl: exit status 1") },
		"unknown line": func(f *fakeXen) { f.table = xlTableOf("tst100 dying") },
	} {
		t.Run(name, func(t *testing.T) {
			client, fake, ref, ctx := newXen(t, "")
			spoil(fake)
			if guest, err := client.Inspect(ctx, ref); err == nil {
				t.Errorf("it is %s", guest.State)
			}
		})
	}
	client, fake, ref, ctx := newXen(t, "")
	fake.fail = errors.New("xencall: error: Could not obtain handle on privileged command interface: Permission denied")
	if _, err := client.List(ctx, ref.URI); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("the error is %v", err)
	}
}
