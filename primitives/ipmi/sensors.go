package ipmi

import (
	"context"

	"ctys/primitives"
)

// The states of a sensor.
const (
	stateOK             = "ok"
	stateNonCritical    = "non-critical"
	stateCritical       = "critical"
	stateNonRecoverable = "non-recoverable"
	stateUnavailable    = "unavailable"
)

// readSensors reads all sensors of which the BMC has a record.
func readSensors(ctx context.Context, clock primitives.Clock, a asker) ([]Sensor, error) {
	records, err := sensorRecords(ctx, clock, a)
	if err != nil {
		return nil, err
	}
	var sensors []Sensor
	for _, record := range records {
		if record.silent {
			continue
		}
		sensor, err := record.read(ctx, a)
		if err != nil {
			return nil, err
		}
		sensors = append(sensors, sensor)
	}
	return sensors, nil
}

// read asks for the present reading (35.14). What the BMC cannot read now, or
// does not read itself, is unavailable and no error.
func (r sensorRecord) read(ctx context.Context, a asker) (Sensor, error) {
	unavailable := Sensor{Name: r.name, Number: int(r.number), Type: sensorTypeName(r.kind), State: stateUnavailable}
	if r.broken {
		unavailable.Type = ""
		return unavailable, nil
	}
	if r.owner != ownerBMC {
		// The BMC has another sensor under this number.
		return unavailable, nil
	}
	data, err := a.ask(ctx, command{netFn: netFnSensor, lun: r.lun, number: 0x2d, data: []byte{r.number}})
	if withoutReading(err) {
		return unavailable, nil
	}
	if err != nil {
		return Sensor{}, err
	}
	reading, err := parseReading(data)
	if err != nil || !reading.available {
		return unavailable, err
	}
	factors := r.factors
	if r.analogue && r.linearization&0x7f >= firstNonLinear {
		if factors, err = askFactors(ctx, a, r, reading.raw); err != nil {
			if withoutReading(err) {
				return unavailable, nil
			}
			return Sensor{}, err
		}
	}
	return r.sensor(reading, factors), nil
}

// withoutReading tells whether a BMC refused a reading for the sensor's sake.
func withoutReading(err error) bool {
	kind := kindOf(err)
	return codeOf(err) != 0 && kind != primitives.Denied && kind != primitives.Busy
}

// askFactors asks a sensor that is not linear for the factors at a reading (35.5).
func askFactors(ctx context.Context, a asker, r sensorRecord, raw byte) (factors, error) {
	data, err := a.ask(ctx, command{netFn: netFnSensor, lun: r.lun, number: 0x23, data: []byte{r.number, raw}})
	if err != nil {
		return factors{}, err
	}
	if len(data) < 7 {
		return factors{}, unreadable("Get Sensor Reading Factors", data)
	}
	return parseFactors([6]byte(data[1:7])), nil
}

// reading is what Get Sensor Reading says.
type reading struct {
	raw       byte
	available bool
	bits      uint16 // comparisons with thresholds, or states
}

// parseReading reads what follows the completion code of Get Sensor Reading
// (35.14, table 35-15). The bytes with the bits are optional.
func parseReading(data []byte) (reading, error) {
	if len(data) < 2 {
		return reading{}, unreadable("Get Sensor Reading", data)
	}
	const scanning, unavailable = 0x40, 0x20
	r := reading{raw: data[0], available: data[1]&scanning != 0 && data[1]&unavailable == 0}
	if len(data) > 2 {
		r.bits = uint16(data[2])
	}
	if len(data) > 3 {
		r.bits |= uint16(data[3]&0x7f) << 8
	}
	return r, nil
}

// sensor puts a record and a reading together.
func (r sensorRecord) sensor(now reading, f factors) Sensor {
	s := Sensor{Name: r.name, Number: int(r.number), Type: sensorTypeName(r.kind)}
	if r.analogue {
		if value, ok := convert(now.raw, r.format, r.linearization, f); ok {
			s.Reading, s.Unit = &value, r.unit
		}
	}
	switch r.event {
	case eventThreshold:
		s.State = thresholdState(now.bits)
	case eventSeverity:
		s.State, s.States = severityState(now.bits), r.states(now.bits)
	default:
		s.States = r.states(now.bits)
	}
	return s
}

// thresholdState is the worst that the comparisons with the thresholds say:
// bits 0 to 2 for the lower non-critical, critical and non-recoverable one, 3 to
// 5 for the upper ones (35.14).
func thresholdState(bits uint16) string {
	switch {
	case bits&0x24 != 0:
		return stateNonRecoverable
	case bits&0x12 != 0:
		return stateCritical
	case bits&0x09 != 0:
		return stateNonCritical
	}
	return stateOK
}

// severityState is the worst of the severities that are asserted.
func severityState(bits uint16) string {
	worst := stateOK
	for _, state := range []string{stateNonCritical, stateCritical, stateNonRecoverable} {
		for offset, severity := range severities {
			if severity == state && bits>>offset&1 != 0 {
				worst = state
			}
		}
	}
	return worst
}

// states names the states that are asserted.
func (r sensorRecord) states(bits uint16) []string {
	var names []string
	for offset := range byte(15) {
		if bits>>offset&1 != 0 {
			names = append(names, stateName(r.event, r.kind, offset))
		}
	}
	return names
}
