package nic

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/mdlayher/ethtool"
	"github.com/mdlayher/netlink"

	"ctys/primitives"
)

// refuse makes an error that says which card this is, why it was refused, and
// what can be done.
func (w *work) refuse(kind primitives.Kind, why string) error {
	return primitives.Errorf(kind, w.op, w.card.Name, "%s: %s", w.whose(), why)
}

// whose describes the card: its driver, its place, what it is a port of, and
// what its driver supports.
func (w *work) whose() string {
	words := []string{w.driver()}
	if w.card.Master != "" {
		words = append(words, fmt.Sprintf("a port of %s %s", w.masterKind(), w.card.Master))
	}
	if w.card.Wake.Supported != "" {
		words = append(words, "supports "+w.card.Wake.Supported+" for Wake-on-LAN")
	} else {
		words = append(words, fmt.Sprintf("no Wake-on mode seen (%s)", w.card.Wake.Cause))
	}
	return strings.Join(words, ", ")
}

func (w *work) driver() string {
	switch {
	case w.card.Driver == "":
		return "a " + w.card.Kind + " interface without a driver of its own"
	case w.card.Bus == "":
		return "driver " + w.card.Driver
	}
	return "driver " + w.card.Driver + " at " + w.card.Bus
}

func (w *work) masterKind() string {
	for _, each := range w.seen.all {
		if each.Name == w.card.Master {
			return each.Kind
		}
	}
	return "another interface"
}

// lacks refuses modes that the driver does not have.
func (w *work) lacks(missing ethtool.WOLMode) error {
	if missing&ethtool.Magic == 0 {
		return w.refuse(primitives.Unsupported, "it has no s (SecureOn password). Arm it without a password")
	}
	return w.refuse(primitives.Unsupported, "it has no g (magic packet). "+w.instead())
}

// instead is what can be done where this interface has no g: take what carries
// it, or another card, or wake the machine otherwise.
func (w *work) instead() string {
	if carriers := descend(w.seen.all, w.card).found; len(carriers) > 0 && !slices.Contains(carriers, w.card.Name) {
		return "Arm what carries it: " + strings.Join(carriers, ", ")
	}
	var others []string
	for _, each := range w.seen.all {
		if each.Wake.Magic() {
			others = append(others, fmt.Sprintf("%s (driver %s)", each.Name, each.Driver))
		}
	}
	if len(others) > 0 {
		return "Of this host these have g: " + strings.Join(others, ", ")
	}
	if w.card.physical() {
		return "Some cards have g only where the firmware lets their slot wake the machine: look at its Wake-on-LAN setting. Else wake this machine by its BMC"
	}
	return "No interface of this host has g: wake it by its BMC, or a guest by its hypervisor"
}

// failed puts the kernel's refusal into the words of this package.
func (w *work) failed(what string, err error) error {
	kind, hint := primitives.KindOf(err), "See the kernel's log (dmesg)"
	switch {
	case kind == primitives.Unsupported:
		hint = w.outside(w.instead())
	case kind == primitives.Denied:
		hint = "This needs root (CAP_NET_ADMIN, and a /sys that can be written)"
	case errors.Is(err, syscall.EINVAL):
		kind, hint = primitives.Unsupported, w.outside(w.upFirst(hint))
	case errors.Is(err, syscall.ENODEV):
		kind, hint = primitives.Invalid, "The interface is gone"
	}
	return w.refuse(kind, fmt.Sprintf("%s: %s. %s", what, kernelWords(err), hint))
}

// kernelWords are the kernel's reason, where it gives one beside the error number.
func kernelWords(err error) string {
	var refusal *netlink.OpError
	if !errors.As(err, &refusal) {
		return err.Error()
	}
	if refusal.Message != "" {
		return fmt.Sprintf("%s (%v)", refusal.Message, refusal.Err)
	}
	return refusal.Err.Error()
}

// upFirst: some drivers take modes only while the interface is up.
func (w *work) upFirst(other string) string {
	if w.card.Up {
		return other
	}
	return "It is down, and some drivers take a mode only while it is up: ip link set " + w.card.Name + " up"
}

// outside says what helps a port whose driver takes the mode only outside of a
// bridge or bond, and else gives the other advice.
func (w *work) outside(other string) string {
	if w.card.Master == "" || !w.card.Wake.Magic() {
		return other
	}
	return fmt.Sprintf("Some drivers take it only outside of a %s: take %s out of %s first", w.masterKind(), w.card.Name, w.card.Master)
}

// differs tells that the kernel took the modes and shows others.
func (w *work) differs(wanted, has modes) error {
	kind, hint := primitives.Internal, "Something else sets it (a network manager, a udev rule), or the driver does not keep it"
	if w.card.Master != "" && w.masterKind() == KindBridge {
		kind, hint = primitives.Unsupported, w.outside(hint)
	}
	return w.refuse(kind, fmt.Sprintf("%s was set, and reads back %s. %s", setLetters(wanted.set), setLetters(has.set), hint))
}
