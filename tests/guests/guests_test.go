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
