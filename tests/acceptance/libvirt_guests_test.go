//go:build linux

package acceptance

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"ctys/tests/machine"
)

// host is a real machine whose libvirt is a real one too: its socket on the
// machine leads to a private libvirtd, whose guests run beside the machine.
type host struct {
	*room
	*floor
}

// relayPort is where the desk passes connections on to libvirtd.
const relayPort = 16509

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{room: &room{machine.Start(t, machine.Options{Name: "lab07"})}, floor: newFloor(t)}
	relay(t, h.Desk, h.libvirtd.Socket)
	h.offersLibvirt(t)
	return h
}

// offersLibvirt gives the machine, in this boot, the socket of libvirt.
func (h *host) offersLibvirt(t *testing.T) {
	t.Helper()
	h.Run(t, fmt.Sprintf("mkdir -p /run/libvirt && systemd-run --quiet --unit=libvirtd systemd-socket-activate -l /run/libvirt/libvirt-sock /lib/systemd/systemd-socket-proxyd %s:%d", machine.DeskAddress, relayPort))
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if h.Run(t, "test -S /run/libvirt/libvirt-sock && echo there || true") == "there" {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the machine has no socket of libvirt")
		}
	}
}

// relay passes connections that come to the desk on to a socket, until the test
// ends.
func relay(t *testing.T, desk *machine.Desk, socket string) {
	t.Helper()
	var listener net.Listener
	if err := desk.Do(func() (err error) {
		listener, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", machine.DeskAddress, relayPort))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer far.Close()
				go func() {
					defer near.Close()
					_, _ = io.Copy(near, far)
				}()
				_, _ = io.Copy(far, near)
			}()
		}
	}()
}

// barred expects that a CANCEL with SELF has failed, has named what runs, and
// has not asked the machine to go down, by the program's word, by its journal
// and by the machine.
func (h *host) barred(t *testing.T, o *operator, call func() outcome, runs ...string) outcome {
	t.Helper()
	var end outcome
	h.untouched(t, func() { end = call() })
	end.exits(t, 1)
	end.tells(t, runs...)
	for where, entries := range map[string][]entry{"desk": o.lastJournal(t), h.Name: h.ownJournal(t)} {
		if got := about(entries, "intent", "shutdown.apply", ""); len(got) > 0 {
			t.Errorf("the journal of %s: %+v", where, got)
		}
	}
	return end
}

// TestWhatLibvirtGuestsCallsSuccess is the five ends at which libvirt-guests
// (its script of libvirt 9.0, functions shutdown_guests_parallel,
// shutdown_guest, list_guests and test_connect) lets the host go down with
// guests running on it, and returns success.
func TestWhatLibvirtGuestsCallsSuccess(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *host)
	}{
		{"sequential time-out", sequentialTimeOut},
		{"parallel time-out with guests never asked", guestsNeverAsked},
		{"hypervisor lost midway", hypervisorLostMidway},
		{"stale list", staleList},
		{"unreachable URI", unreachableURI},
	} {
		t.Run(test.name, func(t *testing.T) {
			h.floor.run(t)
			test.run(t, h)
		})
	}
}

const down = "cancel=self,poweroff:0"

func sequentialTimeOut(t *testing.T, h *host) {
	o := h.operator(t)
	o.has(t, "site.lua", "return { deadline = 4 }\n")
	h.barred(t, o, func() outcome { return o.calls(t, "--limit", "1", "-t", "pm", "-a", down, h.Name) }, "stubborn")
	h.expect(t, false, true)
}

func guestsNeverAsked(t *testing.T, h *host) {
	second := h.libvirtd.DefineGuest(t, "zweiter")
	second.Start(t)
	second.WaitReady(t)
	defer second.Off(t)
	h.willing.Off(t)
	o := h.operator(t)
	h.barred(t, o, func() outcome {
		return o.calls(t, "--limit", "1", "--deadline", "6s", "-t", "pm", "-a", down, h.Name)
	}, "stubborn", "zweiter")
	if !second.Running(t) || !h.stubborn.Running(t) {
		t.Error("one of them does not run")
	}
}

func hypervisorLostMidway(t *testing.T, h *host) {
	o := h.operator(t)
	h.barred(t, o, func() outcome {
		c := o.starts(t, "-t", "pm", "-a", "cancel=self,poweroff:0,timeout:20", h.Name)
		c.says("stubborn: asked through acpi", 30*time.Second)
		if err := h.libvirtd.Kill(); err != nil {
			t.Fatal(err)
		}
		return c.end()
	}, "stubborn")
	if err := h.libvirtd.Start(); err != nil {
		t.Fatal(err)
	}
	if !h.stubborn.Running(t) {
		t.Error("the guest went with its hypervisor's daemon")
	}
}

// staleList starts a guest when those that ran have been looked for.
func staleList(t *testing.T, h *host) {
	late := h.libvirtd.DefineGuest(t, "late")
	o := h.operator(t)
	h.barred(t, o, func() outcome {
		c := o.starts(t, "-t", "pm", "-a", "cancel=self,poweroff:0,timeout:8", h.Name)
		c.says("stubborn: asked through acpi", 30*time.Second)
		late.Start(t)
		return c.end()
	}, "late")
	if !late.Running(t) {
		t.Error("the guest that came late does not run")
	}
	late.Off(t)
}

// unreachableURI has a socket that nobody listens at, as one that a daemon has
// left behind.
func unreachableURI(t *testing.T, h *host) {
	h.Run(t, "systemctl stop libvirtd")
	if got := h.Run(t, "test -S /run/libvirt/libvirt-sock && echo there || true"); got != "there" {
		t.Fatal("the socket is gone, and nothing tells that there is a libvirt")
	}
	o := h.operator(t)
	end := h.barred(t, o, func() outcome { return o.calls(t, "-t", "pm", "-a", down, h.Name) }, h.Name, "libvirtd (or virtqemud)")
	end.tellsNot(t, "nothing was running")
	h.expect(t, true, true)
	h.Run(t, "rm /run/libvirt/libvirt-sock")
	h.offersLibvirt(t)
}
