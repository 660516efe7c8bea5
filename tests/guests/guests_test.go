//go:build linux

package guests

import (
	"testing"
	"time"
)

func TestGuestBootsAndIsDestroyed(t *testing.T) {
	begin := time.Now()
	libvirtd := StartLibvirtd(t)
	t.Logf("libvirtd answers after %s", time.Since(begin))
	guest := libvirtd.DefineGuest(t, "db1", HonoursACPI, HasAgent)
	begin = time.Now()
	guest.Start(t)
	guest.WaitReady(t)
	t.Logf("ready after %s", time.Since(begin))
	if !guest.Running(t) {
		t.Error("a guest that is ready does not run")
	}
	guest.Off(t)
}

func TestContainerBoots(t *testing.T) {
	libvirtd := StartLibvirtd(t)
	container := libvirtd.DefineContainer(t, "ct1")
	container.StartContainer(t)
	container.WaitReady(t)
	container.Off(t)
}

func TestLibvirtdIsKilledAndComesBack(t *testing.T) {
	libvirtd := StartLibvirtd(t)
	if err := libvirtd.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := libvirtd.on("test", func(*rpc) error { return nil }); err == nil {
		t.Error("it answers after its end")
	}
	if err := libvirtd.Start(); err != nil {
		t.Fatal(err)
	}
}
