package sim

import (
	"context"
	"slices"

	"ctys/primitives"
	"ctys/primitives/stack"
)

// Shutdown asks the guest to go down. Errors: Unsupported where the guest's
// kind has no such mode or its agent is not connected, Invalid where there is
// no such guest or it does not run. An accepted request may be ignored.
func (p *Stack) Shutdown(ctx context.Context, ref stack.Ref, mode stack.Mode) error {
	return p.request(ctx, "shutdown", ref, mode, toOff)
}

// Reboot asks the guest to reboot; else as Shutdown.
func (p *Stack) Reboot(ctx context.Context, ref stack.Ref, mode stack.Mode) error {
	return p.request(ctx, "reboot", ref, mode, toReboot)
}

// modes are the ways that each driver has.
var modes = map[string][]stack.Mode{
	"qemu": {stack.ModeACPI, stack.ModeAgent},
	"lxc":  {stack.ModeInitctl, stack.ModeSystemd, stack.ModeSignal},
	"xen":  {stack.ModeParavirt, stack.ModeACPI},
	"vbox": {stack.ModeACPI},
	"vmw":  {stack.ModeAgent},
}

// asks is how a driver script says that it asks its guests.
var asks = map[string]stack.Mode{"vbox": stack.ModeACPI, "vmw": stack.ModeAgent}

func (p *Stack) request(ctx context.Context, verb string, ref stack.Ref, mode stack.Mode, to outcome) error {
	return p.onRunning(ctx, verb, ref, func(c call, guest *machine) (string, error) {
		if !slices.Contains(modes[guest.scheme()], mode) {
			return "", c.errorf(primitives.Unsupported, "guests of this kind cannot be asked by %q", mode)
		}
		return string(mode), p.view.world.request(c, guest, mode, to)
	})
}

func (w *World) request(c call, guest *machine, mode stack.Mode, to outcome) error {
	switch mode {
	case stack.ModeAgent:
		if !guest.Agent || guest.phase == Booting {
			return c.errorf(primitives.Unsupported, "the guest agent is not connected")
		}
		if !guest.runs() {
			return errNoAnswer
		}
		w.shutDown(guest, to, "guest agent")
	case stack.ModeSignal:
		// systemd as a container's init takes SIGTERM as "re-execute yourself"
	case stack.ModeInitctl:
		if !guest.NoInitctl { // which libvirt does not tell
			w.pressButton(guest, to, string(mode))
		}
	default:
		w.pressButton(guest, to, string(mode))
	}
	return nil
}
