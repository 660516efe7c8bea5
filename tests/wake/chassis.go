//go:build linux

package wake

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// State is that of a machine, as one sees it who stands before it.
type State string

// The states.
const (
	On        State = "on"
	Off       State = "off"       // S5, soft off: the card has standby power
	Suspended State = "suspended" // S3, to RAM
)

// chassis is what of a machine is alive while it is off: the power button, and
// the part of the card that waits for a magic packet.
type chassis struct {
	hardware  hardware
	frames    net.PacketConn
	registers bool // the card has those that readRegisters reads

	mu      sync.Mutex
	qemu    *process // nil before the first power-on
	monitor *monitor // of it
	closed  bool
	seen    view
}

// view is what is known of the machine.
type view struct {
	state     State
	boots     int
	registers Registers // when it last fell asleep
	heard     []string
	err       error // what stands in the way of knowing
}

func newChassis(hardware hardware, frames net.PacketConn, registers bool) *chassis {
	c := &chassis{hardware: hardware, frames: frames, registers: registers, seen: view{state: Off}}
	go c.hear()
	return c
}

// close pulls the mains plug.
func (c *chassis) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	_ = c.frames.Close()
	c.cut()
}

func (c *chassis) cut() {
	if c.qemu != nil {
		_ = c.monitor.conn.Close()
		c.qemu.kill()
		c.qemu = nil
	}
}

func (c *chassis) now() view {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.seen
	now.heard = slices.Clone(now.heard)
	return now
}

// powerOn presses the button of a machine that is off.
func (c *chassis) powerOn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.state != Off {
		return fmt.Errorf("it is %s", c.seen.state)
	}
	return c.switchOn()
}

func (c *chassis) switchOn() (err error) {
	c.cut()
	if c.qemu, c.monitor, err = c.hardware.start(); err != nil {
		return err
	}
	c.seen.state = On
	c.seen.boots++
	go c.follow(c.monitor)
	return nil
}

// follow keeps up with what QEMU tells until it has ended.
func (c *chassis) follow(m *monitor) {
	for event := range m.events {
		c.mu.Lock()
		if c.monitor == m {
			c.note(event)
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.monitor == m {
		c.fail(errors.New("QEMU has ended"))
	}
}

func (c *chassis) note(event message) {
	switch event.Event {
	case "SHUTDOWN":
		c.sleeps(Off)
	case "SUSPEND":
		c.sleeps(Suspended)
	case "WAKEUP":
		c.seen.state = On
	case "RESET":
		if event.Data.Guest { // also the end of a suspension is a reset, of another kind
			c.seen.boots++
		}
	}
}

// sleeps reads what the driver has left in the card.
func (c *chassis) sleeps(state State) {
	c.seen.registers = Registers{}
	if c.registers {
		registers, err := readRegisters(c.monitor)
		if err != nil {
			c.fail(err)
			return
		}
		c.seen.registers = registers
	}
	c.seen.state = state
}

// hear reads the machine's end of its cable for as long as the chassis is there.
func (c *chassis) hear() {
	frame := make([]byte, 2048)
	for {
		length, _, err := c.frames.ReadFrom(frame)
		c.mu.Lock()
		if err != nil {
			c.fail(err)
		} else {
			c.consider(frame[:length])
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// consider does the card's work on a frame, which it does only in a machine
// that sleeps.
func (c *chassis) consider(frame []byte) {
	if c.seen.state == On {
		return
	}
	verdict, magic := c.seen.registers.verdict(frame)
	if !magic {
		return
	}
	c.seen.heard = append(c.seen.heard, verdict)
	if verdict != woke {
		return
	}
	var err error
	if c.seen.state == Off {
		err = c.switchOn()
	} else if err = c.monitor.do("system_wakeup", nil, nil); err == nil {
		c.seen.state = On
	}
	if err != nil {
		c.fail(err)
	}
}

// fail remembers the first error that is not the chassis' own end.
func (c *chassis) fail(err error) {
	if !c.closed && c.seen.err == nil {
		c.seen.err = err
	}
}

// listen reads the frames on the machine's cable, in both directions: a machine
// that sleeps sends none.
func (m *Machine) listen() (net.PacketConn, error) {
	var frames net.PacketConn
	err := m.Desk.Do(func() error {
		cable, err := net.InterfaceByName(m.cable)
		if err != nil {
			return err
		}
		frames, err = packet.Listen(cable, packet.Raw, unix.ETH_P_ALL, nil)
		return err
	})
	return frames, err
}
