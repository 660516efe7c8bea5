//go:build linux

package stack_test

import (
	"testing"

	"ctys/primitives"
	"ctys/primitives/stack"
)

func TestContainer(t *testing.T) {
	container := libvirtd(t).DefineContainer(t, "ct1")
	client := newClient(t)
	ctx := within(t, bootTime)
	for _, mode := range []stack.Mode{stack.ModeInitctl, stack.ModeSignal} {
		t.Run(string(mode), func(t *testing.T) {
			container.StartContainer(t)
			container.WaitReady(t)
			guest, err := client.Inspect(ctx, ref(container))
			ok(t, err)
			if guest.State != stack.Running || guest.Type != "lxc" || guest.ID == 0 || guest.Witness == "" {
				t.Errorf("a running container is %+v", guest)
			}
			mustBe(t, client.Shutdown(ctx, ref(container), stack.ModeACPI), primitives.Unsupported)
			ok(t, client.Shutdown(ctx, ref(container), stack.ModeSystemd)) // which this init does not see
			ok(t, client.Shutdown(ctx, ref(container), mode))
			_, err = client.Await(ctx, ref(container), stack.Off)
			ok(t, err)
		})
	}
	t.Run("systemd without initctl", func(t *testing.T) {
		container := libvirtd(t).DefineContainer(t, "ct2")
		container.LikeSystemd(t)
		container.StartContainer(t)
		container.WaitReady(t)
		_ = client.Shutdown(ctx, ref(container), stack.ModeInitctl) // some versions of libvirt say that there is none
		ok(t, client.Shutdown(ctx, ref(container), stack.ModeSignal))
		container.WaitReady(t, 2)
		ok(t, client.Shutdown(ctx, ref(container), stack.ModeSystemd))
		_, err := client.Await(ctx, ref(container), stack.Off)
		ok(t, err)
	})
	t.Run("pause and destroy", func(t *testing.T) {
		container.StartContainer(t)
		ok(t, client.Suspend(ctx, ref(container)))
		_, err := client.Await(ctx, ref(container), stack.Paused)
		ok(t, err)
		ok(t, client.Resume(ctx, ref(container)))
		_, err = client.Await(ctx, ref(container), stack.Running)
		ok(t, err)
		mustBe(t, client.ManagedSave(ctx, ref(container)), primitives.Unsupported)
		ok(t, client.Destroy(ctx, ref(container)))
		_, err = client.Await(ctx, ref(container), stack.Off)
		ok(t, err)
	})
}
