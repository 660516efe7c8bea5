package shutdown

import (
	"fmt"

	"ctys/primitives"
)

// plain checks a request and turns the run levels that are methods of their own
// into those: 0 and 6 (init(8)).
func plain(op string, request Request) (Request, error) {
	switch request.Method {
	case PowerOff, Reboot, Halt, Suspend, Hibernate:
		return Request{Method: request.Method}, nil
	case RunLevel:
	default:
		return request, primitives.Errorf(primitives.Invalid, op, "",
			"method %q is not known (accepted: poweroff, reboot, halt, runlevel, suspend, hibernate)", string(request.Method))
	}
	switch {
	case request.Level < 0 || request.Level > 6:
		return request, primitives.Errorf(primitives.Invalid, op, "",
			"run level %d does not exist (accepted: 0 to 6)", request.Level)
	case request.Level == 0:
		return Request{Method: PowerOff}, nil
	case request.Level == 6:
		return Request{Method: Reboot}, nil
	}
	return request, nil
}

// sleeps: what runs goes on after it.
func (m Method) sleeps() bool { return m == Suspend || m == Hibernate }

func (r Request) describe() string {
	if r.Method == RunLevel {
		return fmt.Sprintf("run level %d", r.Level)
	}
	return string(r.Method)
}

// target is systemd's counterpart of a run level from 1 to 5
// (systemd.special(7), runlevel1.target and its neighbours).
func (r Request) target() string {
	switch r.Level {
	case 1:
		return "rescue.target"
	case 5:
		return "graphical.target"
	}
	return "multi-user.target"
}
