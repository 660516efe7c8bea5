package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"ctys/primitives"
	"ctys/primitives/stack"
)

// Reasons of entries of the log by which others know what changed a machine.
const (
	WhyBMC    = "bmc" // a chassis control
	WhyCycle  = "bmc cycle"
	WhyReset  = "bmc reset"
	WhyButton = "power button"
	WhyPlug   = "plug pulled"
	WhyWake   = "magic packet"
)

// What happens to machines. All of these are called with World.mu held.

// enter puts a machine into a phase, and tells who watches.
func (w *World) enter(m *machine, phase Phase, why string) {
	from := m.phase
	m.phase = phase
	w.note(Entry{Machine: m.Name, From: from, To: phase, Why: why})
	w.tell(m, "")
	if phase == Halted || phase.Power() == primitives.PowerOff || phase == Booting && from != Off {
		w.cutLines(m)
	}
}

// tell wakes whoever watches the machine; event is for its subscribers.
func (w *World) tell(m *machine, event stack.EventKind) {
	if event != "" {
		m.events = append(m.events, event)
	}
	for watch := range m.watched {
		w.wakes = append(w.wakes, watch)
	}
	m.watched = nil
}

func (w *World) cutLines(m *machine) {
	w.cutOwnLines(m, "the machine went down")
	for _, child := range m.children {
		w.cutLines(child)
	}
}

// cutOwnLines leaves those that lead through the machine.
func (w *World) cutOwnLines(m *machine, why string) {
	for l := range m.lines {
		l.cut(primitives.Errorf(primitives.Unreachable, "line", m.Name, "the connection was lost: %s", why))
		w.cut = true
	}
	clear(m.lines)
}

// begin starts a boot or shutdown that ends after d.
func (w *World) begin(m *machine, d time.Duration, then func()) {
	m.halt()
	if w.closed {
		return
	}
	s := &step{ends: w.time.Now().Add(d), then: then}
	m.step = s
	s.stop = w.time.At(s.ends, Key{m.index}, func() {
		w.locked(func() {
			if m.step == s {
				m.step = nil
				then()
			}
		})
	})
}

// halt drops what is under way.
func (m *machine) halt() {
	if m.step != nil {
		m.step.stop()
		m.step = nil
	}
}

// powerOn starts a machine that is off and wakes one that sleeps; any other is
// left alone, and so is a guest whose host does not run or goes down: systemd
// starts nothing more then.
func (w *World) powerOn(m *machine, why string) {
	if m.phase == Suspended || m.phase == Hibernated {
		w.wakeUp(m, why)
		return
	}
	if m.phase != Off || m.parent != nil && (m.parent.phase != Up || !m.parent.runs()) {
		return
	}
	m.starts++
	m.started = w.elapsed().String()
	w.boot(m, why)
	w.tell(m, stack.EventStarted)
}

func (w *World) boot(m *machine, why string) {
	m.boots++
	m.presses = 0
	m.hung = false
	m.level = 0
	m.slept = 0
	m.setUpNetwork()
	w.enter(m, Booting, why)
	w.begin(m, m.Boot, func() { w.up(m) })
}

func (w *World) up(m *machine) {
	w.enter(m, Up, "booted")
	for _, guest := range m.children {
		if guest.Autostart {
			w.powerOn(guest, "autostart")
		}
	}
}

// powerOff takes the power away at once. What a machine has on its disk needs
// none.
func (w *World) powerOff(m *machine, why string) {
	if m.phase == Off || m.phase == Hibernated {
		return
	}
	m.halt()
	w.loseGuests(m)
	w.enter(m, Off, why)
	w.tell(m, stack.EventStopped)
}

// loseGuests is what the end of a host does to the guests that still run.
func (w *World) loseGuests(host *machine) {
	for _, guest := range host.children {
		if guest.phase == Off || guest.phase == Saved {
			continue
		}
		w.lost = append(w.lost, Loss{Guest: guest.Name, Host: host.Name, At: w.elapsed()})
		w.powerOff(guest, "killed: its host "+host.Name+" went down")
	}
}

// restart resets a machine without asking it.
func (w *World) restart(m *machine, why string) {
	m.halt()
	w.loseGuests(m)
	event := stack.EventReboot
	if m.scheme() == "lxc" || m.scheme() == "xen" { // a container or Xen domain that reboots is a new one
		m.starts++
		m.started = w.elapsed().String()
		event = stack.EventStarted
	}
	w.boot(m, why)
	w.tell(m, event)
}

// outcome is where a clean shutdown leads.
type outcome string

const (
	toOff    outcome = "power off"
	toHalt   outcome = "halt"
	toReboot outcome = "reboot"
)

// shutDown lets the machine's own system go down. Its guests are its own
// affair: those that still run at the end are lost.
func (w *World) shutDown(m *machine, to outcome, why string) {
	if m.phase != Up {
		return
	}
	w.enter(m, ShuttingDown, why+": "+string(to))
	if m.HangsInShutdown {
		return
	}
	w.begin(m, m.Shutdown, func() { w.down(m, to) })
}

func (w *World) down(m *machine, to outcome) {
	switch to {
	case toReboot:
		w.restart(m, "rebooted")
	case toHalt:
		w.loseGuests(m)
		w.enter(m, Halted, "halted")
	default:
		w.tell(m, stack.EventShutdown)
		w.powerOff(m, "shut down")
	}
}

// pressButton is ACPI's power button. It tells nobody whether it was noticed.
func (w *World) pressButton(m *machine, to outcome, why string) {
	if m.phase != Up && m.phase != Booting {
		return
	}
	m.presses++
	if m.phase != Up || m.hung || m.IgnoresACPI || m.presses <= m.IgnoresFirstACPI {
		return
	}
	w.shutDown(m, to, why)
}

// pause stops a machine in memory; save puts its memory away.
func (w *World) pause(m *machine, phase Phase, why string) {
	if m.phase != Paused {
		m.resumed = m.phase
	}
	if m.step != nil {
		m.step.stop()
		m.step.left = m.step.ends.Sub(w.time.Now())
	}
	w.enter(m, phase, why)
	if phase == Saved {
		w.tell(m, stack.EventStopped)
	} else {
		w.tell(m, stack.EventPaused)
	}
}

func (w *World) unpause(m *machine, why string) {
	if m.phase == Saved {
		m.starts++
		m.started = w.elapsed().String()
		w.tell(m, stack.EventStarted)
	}
	w.enter(m, m.resumed, why)
	w.tell(m, stack.EventResumed)
	if held := m.step; held != nil {
		m.step = nil
		w.begin(m, held.left, held.then)
	}
}

// bootID is what the kernel calls this boot.
func (w *World) bootID(m *machine) string { return w.uuid("boot", m.Name, strconv.Itoa(m.boots)) }

// witness is what a hypervisor tells of this run of a guest.
func (m *machine) witness() string { return fmt.Sprintf("%d@%s", m.starts, m.started) }

// What tests and a lab do to the world from outside.

// PowerOn presses the power button of a machine that is off.
func (w *World) PowerOn(name string) {
	w.locked(func() { w.powerOn(w.must(name), WhyButton) })
}

// PowerOff pulls the plug.
func (w *World) PowerOff(name string) {
	w.locked(func() { w.powerOff(w.must(name), WhyPlug) })
}

// ShutDown lets the machine shut down cleanly, as its own operator would.
func (w *World) ShutDown(name string) {
	w.locked(func() { w.shutDown(w.must(name), toOff, "its own operator") })
}

// Resume lets a guest that is paused go on, as another operator would.
func (w *World) Resume(name string) {
	w.locked(func() {
		if m := w.must(name); m.phase == Paused {
			w.unpause(m, "resumed by another operator")
		}
	})
}

// Hang makes the machine react to nothing any more until it is reset.
func (w *World) Hang(name string) {
	w.locked(func() {
		m := w.must(name)
		m.hung = true
		m.halt()
		w.note(Entry{Machine: m.Name, Why: "hangs"})
		w.tell(m, "")
	})
}

// HangInShutdown makes the machine's next shutdown, or the one under way,
// never end; on false that is taken back for the next.
func (w *World) HangInShutdown(name string, hangs bool) {
	w.locked(func() {
		m := w.must(name)
		m.HangsInShutdown = hangs
		if hangs && m.phase == ShuttingDown {
			m.halt()
		}
		w.note(Entry{Machine: m.Name, Why: "hangs in shutdown: " + strconv.FormatBool(hangs)})
	})
}

// KillRuns ends at once whatever was brought to the machine and runs there; the
// machine and its connections to others stay.
func (w *World) KillRuns(name string) {
	w.locked(func() {
		m := w.must(name)
		w.note(Entry{By: m.Name, Call: "runs.kill", Result: "killed"})
		w.cutOwnLines(m, "what ran there was killed")
	})
}

// IgnoreACPI makes the machine deaf to its power button, or takes that back.
func (w *World) IgnoreACPI(name string, ignores bool) {
	w.locked(func() { w.must(name).IgnoresACPI = ignores })
}

// Arm sets the Wake-on modes of an interface, in ethtool's letters.
func (w *World) Arm(name, iface, modes string) {
	w.locked(func() {
		m := w.must(name)
		n := m.nic(iface)
		if n == nil {
			panic(fmt.Sprintf("sim.World: %s has no interface %q", name, iface))
		}
		n.WakeSet = modes
	})
}

// Wake is a magic packet that arrived in the segment of a machine by whatever
// way, with the SecureOn password that it carries. It tells whether a machine was
// woken.
func (w *World) Wake(mac primitives.MAC, password ...byte) (woken bool) {
	w.locked(func() {
		for _, m := range w.machines {
			woken = w.wake(m, mac, password) || woken
		}
	})
	return woken
}

// WakeIn is Wake for the machines whose directed broadcast address this is.
func (w *World) WakeIn(broadcast string, mac primitives.MAC, password ...byte) (woken bool) {
	w.locked(func() {
		for _, m := range w.machines {
			if m.subnet() == broadcast {
				woken = w.wake(m, mac, password) || woken
			}
		}
	})
	return woken
}

// wake is a packet that reached a machine's own interfaces.
func (w *World) wake(m *machine, mac primitives.MAC, password []byte) bool {
	asleep := m.phase == Off || m.phase == Suspended || m.phase == Hibernated
	if m.parent != nil || !asleep || !m.wakesOn(mac, password) {
		return false
	}
	w.powerOn(m, WhyWake)
	return true
}

// After calls fn when d has passed, outside of the lock: it may use the
// world's methods. On a virtual clock that is before anybody wakes.
func (w *World) After(d time.Duration, fn func()) (stop func()) {
	return w.time.At(w.time.Now().Add(d), Key{}, fn)
}

// AwaitPhase blocks until the machine is in one of the phases, or ctx ends.
func (w *World) AwaitPhase(ctx context.Context, name string, phases ...Phase) error {
	return w.await(ctx, name, func(m *machine) bool { return slices.Contains(phases, m.phase) })
}

// AwaitEnterable blocks until the machine's SSH server lets somebody in, or
// until it does not, or ctx ends.
func (w *World) AwaitEnterable(ctx context.Context, name string, enterable bool) error {
	return w.await(ctx, name, func(m *machine) bool { return m.enterable() == enterable })
}

func (w *World) await(ctx context.Context, name string, done func(m *machine) bool) error {
	for {
		var watch waiter
		var m *machine
		w.locked(func() {
			m = w.must(name)
			if !done(m) {
				watch = w.watch(ctx, m)
			}
		})
		if watch == nil {
			return nil
		}
		if err := w.sit(watch, m); err != nil {
			return err
		}
	}
}

// watch makes a waiter that the next change of the machine, or of one that
// carries it, wakes. A nil machine never changes.
func (w *World) watch(ctx context.Context, m *machine) waiter {
	watch := w.time.waiter(ctx)
	for ; m != nil; m = m.parent {
		m.watched.add(watch)
	}
	return watch
}

// sit waits, and takes the waiter from where watch has put it.
func (w *World) sit(watch waiter, m *machine) error {
	err := watch.Wait()
	w.locked(func() {
		for ; m != nil; m = m.parent {
			m.watched.remove(watch)
		}
	})
	return err
}
