//go:build linux

package stack_test

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/stack"
)

const bootTime = 60 * time.Second

func TestListShowsWhatRuns(t *testing.T) {
	obeys, deaf := obeys(t), deaf(t)
	list, err := newClient(t).List(within(t, bootTime), obeys.URI)
	ok(t, err)
	seen := map[string]stack.Guest{}
	for _, guest := range list {
		seen[guest.UUID] = guest
	}
	for _, wanted := range []string{obeys.UUID, deaf.UUID} {
		guest := seen[wanted]
		if guest.State != stack.Running || guest.Type != "qemu" || guest.ID == 0 || !guest.Persistent || guest.Witness == "" {
			t.Errorf("%s is listed as %+v", wanted, guest)
		}
	}
	guest := seen[obeys.UUID]
	if guest.Name != "obeys" || len(guest.MACs) != 1 || guest.MACs[0].String() != obeys.MAC {
		t.Errorf("name or address is wrong: %+v, wanted %s", guest, obeys.MAC)
	}
	if !guest.Agent || seen[deaf.UUID].Agent {
		t.Errorf("agents: %v and %v, wanted one with and one without", guest.Agent, seen[deaf.UUID].Agent)
	}
}

func TestShutdownByPowerButtonIsSeen(t *testing.T) {
	obeys, deaf := obeys(t), deaf(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	ok(t, client.Shutdown(ctx, ref(obeys), stack.ModeACPI))
	ok(t, client.Shutdown(ctx, ref(deaf), stack.ModeACPI))
	guest, err := client.Await(ctx, ref(obeys), stack.Off)
	ok(t, err)
	if guest.State != stack.Off || guest.ID != 0 || guest.Witness != "" || guest.Name != "obeys" {
		t.Errorf("off is %+v", guest)
	}
	if obeys.Running(t) {
		t.Error("said to be off, and runs")
	}

	guest, err = client.Await(within(t, 3*time.Second), ref(deaf), stack.Off)
	mustBe(t, err, primitives.Timeout)
	if guest.State != stack.Running {
		t.Errorf("the one that ignores its button is %s", guest.State)
	}
	ok(t, client.Destroy(ctx, ref(deaf)))
	_, err = client.Await(ctx, ref(deaf), stack.Off)
	ok(t, err)
	mustBe(t, client.Destroy(ctx, ref(deaf)), primitives.Invalid)
	ok(t, client.Start(ctx, ref(deaf)))
	_, err = client.Await(ctx, ref(deaf), stack.Running)
	ok(t, err)
}

func TestShutdownByAgent(t *testing.T) {
	obeys, deaf := obeys(t), deaf(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	mustBe(t, client.Shutdown(ctx, ref(deaf), stack.ModeAgent), primitives.Unsupported)
	ok(t, client.Shutdown(ctx, ref(obeys), stack.ModeAgent))
	_, err := client.Await(ctx, ref(obeys), stack.Off)
	ok(t, err)
}

func TestModesThatTheHypervisorLacks(t *testing.T) {
	obeys := obeys(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	for _, mode := range []stack.Mode{stack.ModeInitctl, stack.ModeSignal, stack.ModeParavirt} {
		mustBe(t, client.Shutdown(ctx, ref(obeys), mode), primitives.Unsupported)
		mustBe(t, client.Reboot(ctx, ref(obeys), mode), primitives.Unsupported)
	}
	mustBe(t, client.Shutdown(ctx, ref(obeys), ""), primitives.Invalid)
	mustBe(t, client.Shutdown(ctx, ref(obeys), "default"), primitives.Invalid)
	if !obeys.Running(t) {
		t.Error("a refused mode shut the guest down")
	}
}

func TestSuspendAndResume(t *testing.T) {
	deaf := deaf(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	ok(t, client.Suspend(ctx, ref(deaf)))
	guest, err := client.Await(ctx, ref(deaf), stack.Paused)
	ok(t, err)
	if guest.State.Power() != primitives.PowerOn {
		t.Errorf("a paused guest counts as %s", guest.State.Power())
	}
	ok(t, client.Resume(ctx, ref(deaf)))
	_, err = client.Await(ctx, ref(deaf), stack.Running)
	ok(t, err)
}

func TestRebootIsWitnessed(t *testing.T) {
	obeys, deaf := obeys(t), deaf(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	for boots, test := range []struct {
		name string
		ask  func() error
	}{
		{"power button", func() error { return client.Reboot(ctx, ref(obeys), stack.ModeACPI) }},
		{"agent", func() error { return client.Reboot(ctx, ref(obeys), stack.ModeAgent) }},
		{"reset", func() error { return client.Reset(ctx, ref(obeys)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			obeys.WaitReady(t, boots+1)
			subscription, err := client.Subscribe(ctx, ref(obeys))
			ok(t, err)
			defer subscription.Close()
			other, err := client.Subscribe(ctx, ref(deaf))
			ok(t, err)
			defer other.Close()
			ok(t, test.ask())
			ok(t, subscription.Await(ctx, stack.EventReboot))
			mustBe(t, other.Await(within(t, 200*time.Millisecond), stack.EventReboot), primitives.Timeout)
		})
	}
	obeys.Off(t)
}

// A guest that is started anew has another witness.
func TestDestroyAndStartChangeTheWitness(t *testing.T) {
	deaf := deaf(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	subscription, err := client.Subscribe(ctx, ref(deaf))
	ok(t, err)
	defer subscription.Close()
	ok(t, client.Destroy(ctx, ref(deaf)))
	ok(t, client.Start(ctx, ref(deaf)))
	ok(t, subscription.Await(ctx, stack.EventStopped))
	ok(t, subscription.Await(ctx, stack.EventStarted))
	ok(t, subscription.Await(ctx, stack.EventReboot))
}

func TestGuestThatNobodyKnows(t *testing.T) {
	on := libvirtd(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	nobody := stack.Ref{URI: on.URI("qemu"), UUID: "00000000-0000-4000-8000-00000000dead"}
	guest, err := client.Inspect(ctx, nobody)
	ok(t, err)
	if guest.State != stack.Off || guest.Name != "" {
		t.Errorf("a guest that the hypervisor does not have is %+v", guest)
	}
	mustBe(t, client.Shutdown(ctx, nobody, stack.ModeACPI), primitives.Invalid)
	nobody.UUID = "db1"
	_, err = client.Inspect(ctx, nobody)
	mustBe(t, err, primitives.Invalid)
}

// The last of its file: the guest goes on where it was, and its console does not
// tell any more that it is ready.
func TestManagedSaveIsSavedAndNotOff(t *testing.T) {
	deaf := deaf(t)
	client := newClient(t)
	ctx := within(t, bootTime)
	ok(t, client.ManagedSave(ctx, ref(deaf)))
	guest, err := client.Await(ctx, ref(deaf), stack.Off, stack.Saved)
	ok(t, err)
	if guest.State != stack.Saved {
		t.Errorf("after a managed save it is %s", guest.State)
	}
	ok(t, client.Start(ctx, ref(deaf)))
	guest, err = client.Await(ctx, ref(deaf), stack.Running)
	ok(t, err)
	if deaf.Boots() != 0 {
		// the console starts anew with the process: a guest that goes on says nothing
		t.Error("it booted instead of going on")
	}
	deaf.Off(t)
}
