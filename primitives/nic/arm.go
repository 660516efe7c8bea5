package nic

import (
	"bytes"
	"context"

	"github.com/mdlayher/ethtool"

	"ctys/primitives"
)

// Arming is what Arm shall do.
type Arming struct {
	// Name is the interface that has the modes: a card, not the bridge or bond
	// that it is a port of (see Client.Descend).
	Name string
	// Password is a SecureOn password of six bytes; nil is none.
	Password []byte
}

// passwordLength is ethtool's SOPASS_MAX.
const passwordLength = 6

// waker changes what may wake this host.
type waker interface {
	modes(index int) (modes, error)
	setModes(index int, wanted modes) error
	// enable lets the devices behind an interface wake the host.
	enable(name string, index int) error
	close()
}

// Arm lets an interface wake this host on a magic packet: its Wake-on modes are
// set to g alone, with a password to g and s (ethtool(8), "wol"), and the power/wakeup
// of its device to enabled (Linux, Documentation/ABI/testing/sysfs-devices-power).
// Both are read back, and the result is what was read. What is set already is not
// set again, so it may be repeated. What the firmware does is not seen: see Wake.Beyond.
//
// Errors: Invalid for a name that there is not and for a password of another
// length, Unsupported where the driver has no g (with a password: no s) or refuses
// it, Denied without CAP_NET_ADMIN, Internal where it is set and reads back
// differently, which of a bridge's port is Unsupported: some drivers take it only
// outside of one. Each names the interface, its driver, what that supports, and
// what can be done. After an error the modes are what they were before, as far as
// the driver lets.
func (c *Client) Arm(ctx context.Context, request Arming) (Interface, error) {
	const op = "nic.arm"
	wanted := modes{set: ethtool.Magic}
	if request.Password != nil {
		if len(request.Password) != passwordLength {
			return Interface{}, primitives.Errorf(primitives.Invalid, op, request.Name,
				"a SecureOn password that a card keeps has %d bytes, not %d", passwordLength, len(request.Password))
		}
		wanted = modes{set: ethtool.Magic | ethtool.MagicSecure, password: request.Password}
	}
	return c.change(ctx, op, request.Name, func(w *work) error {
		for _, step := range []func(modes) error{w.offers, w.set, w.verify, w.enable} {
			if err := step(wanted); err != nil {
				w.putBack()
				return err
			}
		}
		return nil
	})
}

// Disarm switches all Wake-on modes of an interface off (d) and reads that back;
// power/wakeup is left as it is. Errors: as Arm; Unsupported where the driver knows
// no Wake-on modes, since then there is nothing that it could switch off.
func (c *Client) Disarm(ctx context.Context, name string) (Interface, error) {
	return c.change(ctx, "nic.disarm", name, func(w *work) error {
		for _, step := range []func(modes) error{w.set, w.verify} {
			if err := step(modes{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// change does something to one interface and reads it afresh.
func (c *Client) change(ctx context.Context, op, name string, do func(*work) error) (Interface, error) {
	seen, err := c.look(ctx, op, name)
	if err != nil {
		return Interface{}, err
	}
	card, err := find(seen.all, op, name)
	if err != nil {
		return Interface{}, err
	}
	waker := c.wake()
	defer waker.close()
	if err := do(&work{op: op, card: card, seen: seen, waker: waker}); err != nil {
		return Interface{}, err
	}
	if seen, err = c.look(ctx, op, name); err != nil {
		return Interface{}, err
	}
	return find(seen.all, op, name)
}

// work is a change of one interface.
type work struct {
	op    string
	card  Interface
	seen  snapshot
	waker waker

	before modes // what was set when offers had looked
	begun  bool  // the modes have been set since
}

// offers refuses what the driver does not have, before anything is set. One that
// does not know the question has nothing.
func (w *work) offers(wanted modes) error {
	has, err := w.waker.modes(w.card.Index)
	if err != nil && primitives.KindOf(err) != primitives.Unsupported {
		return w.failed("its Wake-on modes cannot be read", err)
	}
	if missing := wanted.set &^ has.supported; missing != 0 {
		return w.lacks(missing)
	}
	w.before = has
	return nil
}

func (w *work) set(wanted modes) error {
	if err := w.waker.setModes(w.card.Index, wanted); err != nil {
		return w.failed("the driver refuses the Wake-on modes "+setLetters(wanted.set), err)
	}
	w.begun = true
	return nil
}

// putBack undoes set: an arming that fails is a refusal, and changes nothing. It
// has an error of its own already.
func (w *work) putBack() {
	if !w.begun {
		return
	}
	if has, err := w.waker.modes(w.card.Index); err != nil || has.set != w.before.set {
		_ = w.waker.setModes(w.card.Index, w.before)
	}
}

func (w *work) enable(modes) error {
	if err := w.waker.enable(w.card.Name, w.card.Index); err != nil {
		return w.failed("its device cannot be let wake the machine", err)
	}
	return nil
}

func (w *work) verify(wanted modes) error {
	has, err := w.waker.modes(w.card.Index)
	if err != nil {
		return w.failed("its Wake-on modes were set and cannot be read back", err)
	}
	if has.set != wanted.set {
		return w.differs(wanted, has)
	}
	if wanted.password != nil && has.password != nil && !bytes.Equal(wanted.password, has.password) {
		return w.refuse(primitives.Internal, "the SecureOn password was set, and another one reads back: somebody else sets it, or the driver keeps none")
	}
	return nil
}
