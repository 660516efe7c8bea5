//go:build linux

package stack_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/stack"
	"ctys/tests/guests"
)

// A daemon that is frozen takes connections and requests, and answers nothing.
func TestFrozenHypervisorEndsAtTheDeadline(t *testing.T) {
	on := guests.StartLibvirtd(t)
	guest := stack.Ref{URI: on.URI("test"), UUID: testDomain}
	connected, fresh := newClient(t), newClient(t)
	_, err := connected.Inspect(within(t, bootTime), guest)
	ok(t, err)
	ok(t, on.Freeze())
	for name, client := range map[string]*stack.Client{"connected": connected, "fresh": fresh} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Inspect(within(t, 500*time.Millisecond), guest)
			mustBe(t, err, primitives.Timeout)
			_, err = client.List(within(t, 500*time.Millisecond), guest.URI)
			mustBe(t, err, primitives.Timeout)
			mustBe(t, client.Destroy(within(t, 500*time.Millisecond), guest), primitives.Timeout)
			seen, err := client.Await(within(t, 500*time.Millisecond), guest, stack.Off)
			mustBe(t, err, primitives.Timeout)
			if seen.State != stack.Unknown {
				t.Errorf("a guest that nobody can see is %s", seen.State)
			}
		})
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = connected.Inspect(canceled, guest)
	mustBe(t, err, primitives.Canceled)

	ok(t, on.Thaw())
	for _, client := range []*stack.Client{connected, fresh} {
		_, err = client.Inspect(within(t, bootTime), guest)
		ok(t, err)
	}
}

// A guest that is waited for while its hypervisor falls silent is not off.
func TestHypervisorThatFallsSilentIsUnreachable(t *testing.T) {
	on := guests.StartLibvirtd(t)
	guest := stack.Ref{URI: on.URI("test"), UUID: testDomain}
	clock := stack.FastClock{Start: time.Now()}
	client := stack.New(stack.Options{Clock: clock})
	defer client.Close()
	for name, limit := range map[string]time.Duration{"until the caller's time is up": 8 * time.Second, "until patience ends": time.Hour} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Inspect(within(t, bootTime), guest)
			ok(t, err)
			ctx, cancel := primitives.WithTimeout(context.Background(), clock, limit)
			defer cancel()
			time.AfterFunc(200*time.Millisecond, func() { _ = on.Freeze() })
			seen, err := client.Await(ctx, guest, stack.Off)
			mustBe(t, err, primitives.Unreachable)
			if seen.State != stack.Running {
				t.Errorf("it was last seen %s", seen.State)
			}
			ok(t, on.Thaw())
		})
	}
}

func TestKilledHypervisorIsUnreachableAndComesBack(t *testing.T) {
	on := guests.StartLibvirtd(t)
	guest := on.DefineGuest(t, "survivor")
	guest.Start(t)
	client := newClient(t)
	before, err := client.Inspect(within(t, bootTime), ref(guest))
	ok(t, err)

	waiting := make(chan error, 1)
	go func() {
		seen, err := client.Await(within(t, 3*time.Second), ref(guest), stack.Off, stack.Saved)
		if seen.State != stack.Running {
			err = errors.Join(err, errors.New("last seen "+string(seen.State)))
		}
		waiting <- err
	}()
	time.Sleep(200 * time.Millisecond)
	ok(t, on.Kill())
	_, err = client.Inspect(within(t, bootTime), ref(guest))
	mustBe(t, err, primitives.Unreachable)
	_, err = client.List(within(t, bootTime), guest.URI)
	mustBe(t, err, primitives.Unreachable)
	mustBe(t, client.Destroy(within(t, bootTime), ref(guest)), primitives.Unreachable)
	mustBe(t, <-waiting, primitives.Unreachable)

	// what Hypervisors takes for the mark of a guest whose daemon is gone
	if marks, err := filepath.Glob(filepath.Join(on.Folder, "run", "qemu", "*.xml")); err != nil || len(marks) != 1 {
		t.Errorf("marks of running guests: %v, %v", marks, err)
	}
	ok(t, on.Start())
	after, err := client.Inspect(within(t, bootTime), ref(guest))
	ok(t, err)
	if after.State != stack.Running || after.Witness != before.Witness {
		t.Errorf("before %+v, after %+v: the guest has run all the time", before, after)
	}
}

// A libvirtd that is restarted in the middle does not end the waiting.
func TestAwaitOutlivesARestart(t *testing.T) {
	on := guests.StartLibvirtd(t)
	guest := on.DefineGuest(t, "patient", guests.HonoursACPI)
	guest.Start(t)
	guest.WaitReady(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	waiting := make(chan error, 1)
	go func() {
		_, err := client.Await(ctx, ref(guest), stack.Off)
		waiting <- err
	}()
	time.Sleep(200 * time.Millisecond)
	ok(t, on.Kill())
	ok(t, on.Start())
	ok(t, client.Shutdown(ctx, ref(guest), stack.ModeACPI))
	ok(t, <-waiting)
}

func TestClosedClient(t *testing.T) {
	client := stack.New(stack.Options{})
	guest := stack.Ref{URI: libvirtd(t).URI("test"), UUID: testDomain}
	_, err := client.Inspect(within(t, bootTime), guest)
	ok(t, err)
	ok(t, client.Close())
	_, err = client.Inspect(within(t, bootTime), guest)
	mustBe(t, err, primitives.Canceled)
}

// Whatever was left behind on a frozen hypervisor ends with the client.
func TestNothingIsLeftRunning(t *testing.T) {
	on := guests.StartLibvirtd(t)
	guest := stack.Ref{URI: on.URI("test"), UUID: testDomain}
	before := runtime.NumGoroutine()
	client := stack.New(stack.Options{})
	_, err := client.Inspect(within(t, bootTime), guest)
	ok(t, err)
	ok(t, client.Suspend(within(t, bootTime), guest))
	ok(t, on.Freeze())
	for range 20 {
		_, _ = client.Inspect(within(t, 20*time.Millisecond), guest)
		_ = client.Resume(within(t, 20*time.Millisecond), guest)
	}
	ok(t, client.Close())
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(20 * time.Millisecond)
	}
	ok(t, on.Thaw())
}
