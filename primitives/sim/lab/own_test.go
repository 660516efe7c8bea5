package lab_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/remote"
	"ctys/primitives/sim"
	"ctys/primitives/sim/lab"
	"ctys/primitives/stack"
	"ctys/primitives/wol"
)

// Our own clients against the lab.

func TestOwnIPMI(t *testing.T) {
	b := serve(t, lab.Options{})
	client := ipmi.New(ipmi.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	target := targetOf(network+".1.2", "secret")
	for _, step := range []struct {
		control ipmi.Control
		phase   sim.Phase
	}{{ipmi.PowerOn, sim.Up}, {ipmi.Cycle, sim.Up}, {ipmi.Reset, sim.Up}, {ipmi.PowerSoft, sim.Off}, {ipmi.PowerOff, sim.Off}} {
		if err := client.Control(ctx, target, step.control); err != nil {
			t.Errorf("%s: %v", step.control, err)
		}
		b.soon("lab02", step.phase)
	}
	status, err := client.Status(ctx, target)
	if err != nil || status.Power != primitives.PowerOff {
		t.Errorf("%v, %v", status, err)
	}
	if err := client.Control(ctx, target, ipmi.Reset); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("reset while off: %v", err)
	}
	if _, err := client.Status(ctx, targetOf(network+".1.2", "wrong")); primitives.KindOf(err) != primitives.Auth {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := b.lab.Command("fault lab02 bmc-silent"); err != nil {
		t.Fatal(err)
	}
	short, done := context.WithTimeout(ctx, 500*time.Millisecond)
	defer done()
	if _, err := client.Status(short, target); primitives.KindOf(err) != primitives.Timeout {
		t.Errorf("silent BMC: %v", err)
	}
}

func targetOf(host, password string) ipmi.Target {
	reveal := func(context.Context) (string, error) { return password, nil }
	return ipmi.Target{Host: host, Port: 6230, User: "admin", Password: primitives.Secret{Reveal: reveal}}
}

func TestOwnWOL(t *testing.T) {
	b := serve(t, lab.Options{})
	m, _ := b.world.Machine("lab02")
	request := wol.Request{MAC: m.MAC, Address: m.Broadcast, Port: lab.DefaultWakePort}
	if _, err := wol.New().Send(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	b.soon("lab02", sim.Up)
}

func TestOwnRemote(t *testing.T) {
	b := serve(t, lab.Options{Agent: func(_ context.Context, machine string, argv []string, stdin io.Reader, stdout, _ io.Writer) int {
		text, _ := io.ReadAll(stdin)
		fmt.Fprint(stdout, machine, " ", argv[1:], " ", string(text))
		return 0
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := remote.New(remote.Options{ConfigFile: filepath.Join(b.dir, lab.SSHConfigFile), AgentSocket: "none"})
	conn, err := client.Connect(ctx, remote.Target{Host: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	path, found, err := conn.Installed(ctx, strings.Repeat("0", 64), "ctys-1")
	if err != nil || !found {
		t.Fatalf("%q, %v, %v", path, found, err)
	}
	out, errOut := &strings.Builder{}, &strings.Builder{}
	exit, err := conn.Run(ctx, remote.Command{Line: remote.Quote([]string{path, "agent", "a b"}), Stdin: strings.NewReader("order"), Stdout: out, Stderr: errOut})
	if err != nil || exit != 0 || out.String() != "db1 [agent a b] order" {
		t.Errorf("%q %q, exit %d, %v", out, errOut, exit, err)
	}
	b.world.PowerOff("lab01")
	select {
	case <-conn.Done():
	case <-ctx.Done():
		t.Error("the connection outlived its machine")
	}
	if _, err := client.Connect(ctx, remote.Target{Host: "db1"}); primitives.KindOf(err) != primitives.Unreachable {
		t.Errorf("a machine that is off: %v", err)
	}
}

// What an agent has begun goes on behind its command, and ends with the
// machine; the next boot begins anew.
func TestAgentOutlivesItsCommand(t *testing.T) {
	lives := make(chan context.Context, 1)
	b := serve(t, lab.Options{Agent: func(life context.Context, _ string, _ []string, _ io.Reader, _, _ io.Writer) int {
		lives <- life
		return 0
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := remote.New(remote.Options{ConfigFile: filepath.Join(b.dir, lab.SSHConfigFile), AgentSocket: "none"})
	connect := func() (*remote.Conn, error) { return client.Connect(ctx, remote.Target{Host: "lab01"}) }
	// answers waits until the machine's SSH server is there, or is not.
	answers := func(want bool) {
		t.Helper()
		for ctx.Err() == nil {
			conn, err := connect()
			if err == nil {
				conn.Close()
			}
			if (err == nil) == want {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("lab01 answers: never %v", want)
	}
	begin := func() context.Context {
		t.Helper()
		conn, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if exit, err := conn.Run(ctx, remote.Command{Line: "ctys agent start", Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}); err != nil || exit != 0 {
			t.Fatalf("exit %d, %v", exit, err)
		}
		return <-lives
	}
	first := begin()
	begin()
	if err := context.Cause(first); err != nil {
		t.Fatalf("what was begun has ended with its command: %v", err)
	}
	b.world.PowerOff("lab01")
	if primitives.KindOf(context.Cause(first)) != primitives.Unreachable {
		t.Errorf("it outlived its machine: %v", context.Cause(first))
	}
	answers(false)
	b.world.PowerOn("lab01")
	answers(true)
	if second := begin(); second.Err() != nil {
		t.Errorf("after another boot: %v", context.Cause(second))
	}
}

// A machine of the lab tells by its shell whether it carries others.
func TestOwnCarries(t *testing.T) {
	b := serve(t, lab.Options{})
	client := remote.New(remote.Options{ConfigFile: filepath.Join(b.dir, lab.SSHConfigFile), AgentSocket: "none"})
	for machine, want := range map[string]bool{"lab01": true, "ct1": true, "web1": false} {
		conn, err := client.Connect(t.Context(), remote.Target{Host: machine})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		got, err := stack.Carries(t.Context(), func(ctx context.Context, argv []string) (string, error) { return conn.Output(ctx, argv...) })
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", machine, got, err)
		}
	}
}
