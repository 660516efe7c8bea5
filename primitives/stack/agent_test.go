//go:build linux

package stack_test

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/stack"
	"ctys/tests/guests"
)

func TestAddressesComeFromTheAgent(t *testing.T) {
	obeys := obeys(t)
	guest, err := newClient(t).Inspect(within(t, bootTime), ref(obeys))
	ok(t, err)
	if len(guest.Addresses) != 1 || guest.Addresses[0].String() != guests.AgentAddress {
		t.Errorf("addresses are %v, wanted %s alone", guest.Addresses, guests.AgentAddress)
	}
}

// An agent that is connected and never answers keeps neither the list nor a
// shutdown in another mode from their work.
func TestDeadAgent(t *testing.T) {
	dead := libvirtd(t).DefineGuest(t, "dead", guests.HonoursACPI, guests.DeadAgent)
	dead.Start(t)
	dead.WaitReady(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	list, err := client.List(ctx, dead.URI)
	ok(t, err)
	for _, guest := range list {
		if guest.UUID == dead.UUID && (!guest.Agent || guest.State != stack.Running) {
			t.Errorf("it is listed as %+v", guest)
		}
	}
	mustBe(t, client.Shutdown(within(t, time.Second), ref(dead), stack.ModeAgent), primitives.Timeout)
	ok(t, client.Shutdown(ctx, ref(dead), stack.ModeACPI))
	_, err = client.Await(ctx, ref(dead), stack.Off)
	ok(t, err)
}
