//go:build linux

package stack_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/stack"
	"ctys/tests/guests"
)

// rig is the libvirtd and the guests that the tests share: booting them takes
// the most time.
var rig struct {
	sync.Mutex
	libvirtd *guests.Libvirtd
	err      error
	obeys    *guests.Guest // honours its power button, and has an agent
	deaf     *guests.Guest // ignores its power button
}

func TestMain(m *testing.M) {
	code := m.Run()
	if rig.libvirtd != nil {
		rig.libvirtd.Close()
	}
	os.Exit(code)
}

// libvirtd gives the shared libvirtd. It is not to be killed or frozen.
func libvirtd(t *testing.T) *guests.Libvirtd {
	t.Helper()
	guests.Need(t)
	rig.Lock()
	defer rig.Unlock()
	if rig.libvirtd == nil && rig.err == nil {
		rig.libvirtd, rig.err = guests.Open()
	}
	if rig.err != nil {
		t.Fatal(rig.err)
	}
	return rig.libvirtd
}

// obeys is the shared guest that honours its power button and has an agent,
// running and ready.
func obeys(t *testing.T) *guests.Guest {
	t.Helper()
	return ready(t, &rig.obeys, "obeys", guests.HonoursACPI, guests.HasAgent)
}

// deaf is the shared guest that ignores its power button, running and ready.
func deaf(t *testing.T) *guests.Guest {
	t.Helper()
	return ready(t, &rig.deaf, "deaf")
}

func ready(t *testing.T, guest **guests.Guest, name string, traits ...guests.Trait) *guests.Guest {
	t.Helper()
	on := libvirtd(t)
	if *guest == nil {
		*guest = on.DefineGuest(t, name, traits...)
	}
	if !(*guest).Running(t) {
		(*guest).Start(t)
	}
	(*guest).WaitReady(t)
	return *guest
}

func ref(guest *guests.Guest) stack.Ref { return stack.Ref{URI: guest.URI, UUID: guest.UUID} }

func newClient(t *testing.T) *stack.Client {
	t.Helper()
	client := stack.New(stack.Options{})
	t.Cleanup(func() { client.Close() })
	return client
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func mustBe(t *testing.T, err error, kind primitives.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; wanted kind %s", kind)
	}
	if got := primitives.KindOf(err); got != kind {
		t.Fatalf("kind %s, wanted %s: %v", got, kind, err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
