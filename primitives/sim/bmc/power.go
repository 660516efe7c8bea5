package bmc

// PowerEvent is a change of a machine's power as its BMC notices it.
type PowerEvent int

// The events.
const (
	TurnedOn  PowerEvent = iota // it was off, and boots
	TurnedOff                   // it was on
	Restarted                   // it boots again and did not lose its power
)

// Cause is what brought a PowerEvent about.
type Cause int

// The causes.
const (
	BySystem  Cause = iota // the machine's own system, or something unknown
	ByCommand              // a chassis control
	ByButton               // the power button
	ByWake                 // a magic packet
	ByMains                // the mains failed
)

// powerHistory is what Get Chassis Status tells of the last event, and Get
// System Restart Cause of the last start.
type powerHistory struct{ last, restart byte }

// Bits of the last power event (28.2), and restart causes (28.11).
const (
	mainsFailed    = 0x01
	onByCommand    = 0x10
	causeUnknown   = 0x00
	causeControl   = 0x01
	causeButton    = 0x03
	causeSystem    = 0x0a // soft reset
	causeByWake    = 0x00 // 28.11 knows no number for it
	unitOff        = 0x00 // offsets of a power unit (table 42-3, type 09h)
	unitLostMains  = 0x04
	startPowerUp   = 0x00 // of a system start (type 1Dh)
	startHardReset = 0x01
	startWarm      = 0x02
)

// Record tells the BMC what happened to its machine. Turned on while it is on, or
// off while off, is not news.
func (b *BMC) Record(event PowerEvent, cause Cause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record(event, cause)
}

func (b *BMC) record(event PowerEvent, cause Cause) {
	switch event {
	case TurnedOff:
		if b.on {
			b.turnedOff(cause)
		}
	case TurnedOn:
		if !b.on {
			b.turnedOn(cause)
		}
	case Restarted:
		b.on = true
		b.restarted(cause)
	}
}

func (b *BMC) turnedOff(cause Cause) {
	b.on = false
	own := b.own()
	own.power.last = 0
	if cause == ByMains {
		own.power.last = mainsFailed
		b.log(powerUnit, unitLostMains, true)
	}
	b.log(powerUnit, unitOff, true)
}

func (b *BMC) turnedOn(cause Cause) {
	b.on = true
	own := b.own()
	own.power.last = 0
	own.power.restart = map[Cause]byte{ByCommand: causeControl, ByButton: causeButton, ByWake: causeByWake}[cause]
	if cause == ByCommand {
		own.power.last = onByCommand
	}
	b.log(powerUnit, unitOff, false)
	b.log(systemStart, startPowerUp, true)
	own.boot.start(b.now())
}

func (b *BMC) restarted(cause Cause) {
	own, offset := b.own(), byte(startWarm)
	own.power.restart = causeSystem
	if cause == ByCommand {
		own.power.restart, offset = causeControl, startHardReset
	}
	b.log(systemStart, offset, true)
	own.boot.start(b.now())
}
