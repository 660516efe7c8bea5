package shutdown

// What logind calls the methods (org.freedesktop.login1(5)).

// verb is the method's name on D-Bus.
func (m Method) verb() string {
	switch m {
	case Reboot:
		return "Reboot"
	case Halt:
		return "Halt"
	case Suspend:
		return "Suspend"
	case Hibernate:
		return "Hibernate"
	}
	return "PowerOff"
}

// event is what inhibitors hold up and what the signal of its beginning is
// called after (org.freedesktop.login1(5)).
func (m Method) event() string {
	if m.sleeps() {
		return "sleep"
	}
	return "shutdown"
}

// signal is sent before the method begins.
func (m Method) signal() string {
	if m.sleeps() {
		return "PrepareForSleep"
	}
	return "PrepareForShutdown"
}

// action is what polkit calls the method.
func (m Method) action() string {
	const prefix = "org.freedesktop.login1."
	if m == PowerOff {
		return prefix + "power-off"
	}
	return prefix + string(m)
}
