package sim

import (
	"fmt"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// service is what a BMC keeps of its own, whatever its machine does.
type service struct {
	identify time.Time // until when the machine shows itself
	forever  bool
	boot     ipmi.Boot
	cleared  int // so many entries of the world's log came before its own was emptied
}

const diagnosticInterrupt = "diagnostic interrupt"

func (w *World) chassisStatus(m *machine) ipmi.Status {
	return ipmi.Status{
		Power: m.phase.Power(), At: w.time.Now(), Restore: "previous",
		LastEvent: w.lastPowerEvent(m), Identify: m.bmc.identifyWord(w.time.Now()),
	}
}

func (s service) identifyWord(now time.Time) string {
	switch {
	case s.forever:
		return "on"
	case s.identify.After(now):
		return "timed"
	}
	return "off"
}

// lastPowerEvent is why the power last changed, as far as 28.2 has a word.
func (w *World) lastPowerEvent(m *machine) []string {
	for i := len(w.log) - 1; i >= 0; i-- {
		entry := w.log[i]
		if entry.Machine != m.Name || entry.From.Power() == entry.To.Power() {
			continue
		}
		switch entry.Why {
		case WhyBMC, WhyCycle:
			if entry.To.Power() == primitives.PowerOn {
				return []string{"switched on by IPMI"}
			}
		case WhyPlug:
			return []string{"mains failed"}
		}
		return nil
	}
	return nil
}

// bootFlags are what the machine's firmware would look at; nothing has been
// said to it at the beginning.
func (s service) bootFlags() ipmi.Boot {
	if s.boot.Device == "" {
		return ipmi.Boot{Device: ipmi.BootNone}
	}
	return s.boot
}

// Values that the sensors of a machine read, on and off.
const (
	roomTemperature = 22.0
	warmTemperature = 41.0
	fanSpeed        = 5400.0
	rail            = 12.1
)

// sensors are those of a machine: the room is warm, what needs power reads
// nothing without it.
func (w *World) sensors(m *machine) []ipmi.Sensor {
	on := m.phase.Power() == primitives.PowerOn
	reads := func(name string, number int, kind, unit string, value float64) ipmi.Sensor {
		if !on {
			return ipmi.Sensor{Name: name, Number: number, Type: kind, State: "unavailable"}
		}
		return ipmi.Sensor{Name: name, Number: number, Type: kind, Reading: &value, Unit: unit, State: "ok"}
	}
	room := roomTemperature
	power := ipmi.Sensor{Name: "Power", Number: 5, Type: "system ACPI power state", State: "ok", States: []string{"soft-off"}}
	if on {
		power.States = []string{"working"}
	}
	return []ipmi.Sensor{
		{Name: "Ambient", Number: 1, Type: "temperature", Reading: &room, Unit: "degrees C", State: "ok"},
		reads("CPU", 2, "temperature", "degrees C", warmTemperature),
		reads("Fan 1", 3, "fan", "RPM", fanSpeed),
		reads("12V", 4, "voltage", "volts", rail),
		power,
	}
}

// events are a machine's log: what the world has noted of it since the log was
// emptied. The record is of the system's own kind (32.1, type 02h).
func (w *World) events(m *machine) []ipmi.Event {
	events := []ipmi.Event{}
	for _, entry := range w.log[m.bmc.cleared:] {
		if entry.Machine != m.Name || entry.Call != "" {
			continue
		}
		text := entry.Why
		if entry.To != "" {
			text = fmt.Sprintf("%s (%s)", entry.To, entry.Why)
		}
		id := len(events) + 1
		at := w.start.Add(entry.At)
		events = append(events, ipmi.Event{
			ID: id, At: at, Sensor: "Power", Type: "system ACPI power state", Text: text, Asserted: true, Data: record(id, at),
		})
	}
	return events
}

func record(id int, at time.Time) []byte {
	seconds := uint32(at.Unix())
	return []byte{byte(id), byte(id >> 8), 0x02, byte(seconds), byte(seconds >> 8), byte(seconds >> 16), byte(seconds >> 24),
		0x20, 0x00, 0x04, 0x22, 0x05, 0x6f, 0x00, 0xff, 0xff}
}
