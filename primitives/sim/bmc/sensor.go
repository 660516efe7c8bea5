package bmc

// sensor is one sensor, the same on every BMC; what it reads differs.
type sensor struct {
	number   byte
	name     string
	entity   byte // whose sensor it is (table 43-13), the first of its kind
	kind     byte // sensor type (table 42-3)
	discrete bool // sensor-specific states (6Fh), else an analogue reading with thresholds
	event    bool // is known by its events only and cannot be read

	unit       byte // table 43-15
	m          uint16
	exponent   int8    // of the result: raw × m × 10^exponent
	thresholds [6]byte // raw: lower non-critical, critical, non-recoverable, upper likewise
	has        byte    // which of these: bits in that order

	// raw is what it reads on the n-th machine; none: not while off.
	raw    func(n int, on bool) (raw byte, ok bool)
	states func(on bool) uint16 // of a discrete one
}

// The numbers of the sensors.
const (
	temperature byte = 1 + iota
	fan
	twelveVolts
	watts
	powerSupply
	powerUnit
	systemStart
	eventLog
)

// Sensor types (table 42-3).
const (
	kindTemperature = 0x01
	kindVoltage     = 0x02
	kindFan         = 0x04
	kindPowerSupply = 0x08
	kindPowerUnit   = 0x09
	kindOtherUnit   = 0x0b
	kindEventLog    = 0x10
	kindSystemStart = 0x1d
)

// whileOn is a reading that there is only while the machine is on.
func whileOn(value func(n int) byte) func(int, bool) (byte, bool) {
	return func(n int, on bool) (byte, bool) { return value(n), on }
}

// sensors is what every machine has.
var sensors = []sensor{
	{number: temperature, name: "CPU Temp", entity: 0x03, kind: kindTemperature, unit: 1, m: 1,
		thresholds: [6]byte{3: 85, 4: 95, 5: 105}, has: 0x38,
		raw: whileOn(func(n int) byte { return byte(38 + n%17) })},
	{number: fan, name: "Fan 1", entity: 0x1d, kind: kindFan, unit: 18, m: 60,
		thresholds: [6]byte{0: 20, 1: 10}, has: 0x03,
		raw: whileOn(func(n int) byte { return byte(90 + n%31) })},
	{number: twelveVolts, name: "12V", entity: 0x14, kind: kindVoltage, unit: 4, m: 63, exponent: -3,
		thresholds: [6]byte{0: 175, 1: 171, 3: 206, 4: 210}, has: 0x1b,
		raw: whileOn(func(n int) byte { return byte(189 + n%4) })},
	{number: watts, name: "Power Draw", entity: 0x13, kind: kindOtherUnit, unit: 6, m: 4,
		raw: func(n int, on bool) (byte, bool) {
			if on {
				return byte(30 + n%40), true
			}
			return 2, true // what the BMC itself takes
		}},
	{number: powerSupply, name: "PSU 1", entity: 0x0a, kind: kindPowerSupply, discrete: true,
		states: func(bool) uint16 { return 1 }}, // presence detected
	{number: powerUnit, name: "Power Unit", entity: 0x13, kind: kindPowerUnit, discrete: true,
		states: func(on bool) uint16 {
			if on {
				return 0
			}
			return 1 << unitOff
		}},
	{number: systemStart, name: "Sys Start", entity: 0x07, kind: kindSystemStart, discrete: true, event: true},
	{number: eventLog, name: "Event Log", entity: 0x2e, kind: kindEventLog, discrete: true, event: true},
}

func sensorOf(number byte) (sensor, bool) {
	for _, s := range sensors {
		if s.number == number && !s.event {
			return s, true
		}
	}
	return sensor{}, false
}

// sensorReading is Get Sensor Reading (35.14).
func (b *BMC) sensorReading(_ *session, data []byte) (byte, []byte) {
	s, ok := sensorOf(data[0])
	if !ok {
		return noRecord, nil
	}
	const scanned, unavailable = 0xc0, 0x20
	if s.discrete {
		states := s.states(b.on)
		return done, []byte{0, scanned, byte(states), byte(states>>8) | 0x80}
	}
	raw, ok := s.raw(b.number, b.on)
	if !ok {
		return done, []byte{0, scanned | unavailable, 0xc0}
	}
	return done, []byte{raw, scanned, 0xc0 | s.crossed(raw)}
}

// crossed are the thresholds that a reading has passed, as Get Sensor Reading
// has them.
func (s sensor) crossed(raw byte) byte {
	var bits byte
	for i, threshold := range s.thresholds {
		if s.has>>i&1 != 0 && (i < 3 && raw <= threshold || i >= 3 && raw >= threshold) {
			bits |= 1 << i
		}
	}
	return bits
}

// sensorThresholds is Get Sensor Thresholds (35.9).
func (b *BMC) sensorThresholds(_ *session, data []byte) (byte, []byte) {
	s, ok := sensorOf(data[0])
	if !ok {
		return noRecord, nil
	}
	if s.discrete {
		return 0xcd, nil // illegal for this sensor
	}
	return done, append([]byte{s.has}, s.thresholds[:]...)
}
