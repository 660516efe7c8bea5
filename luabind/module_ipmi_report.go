package luabind

import (
	"context"

	"ctys/primitives/ipmi"
)

// bmcReports are the rows about what a BMC knows, and the raw command.
func (rt *Runtime) bmcReports() []Function {
	deadline := []Param{bmcDeadline}
	return []Function{
		{
			Name: "addresses", Help: "Where the BMC listens, by the resolver where its host is a name; it is sent nothing. Two handles with one in common are one BMC.", Options: deadline,
			Result: `a list of "192.0.2.7:623"`, Errors: bmcErrors, Example: `print(bmc:addresses()[1])`,
			Op: rt.bmcRead(bmcAsk(rt, func(ctx context.Context, _ *Call, target ipmi.Target) ([]string, error) {
				return rt.caps.IPMI.Addresses(ctx, target)
			})),
		},
		{
			Name: "controller", Help: "What the BMC says of itself.", Options: deadline,
			Result: `{id=…, revision=…, firmware="2.41", ipmi="2.0", manufacturer=IANA number, product=…, guid=of the system, nil where it has none}`,
			Errors: bmcErrors, Example: `print(bmc:controller().firmware)`,
			Op: rt.bmcRead(bmcAsk(rt, func(ctx context.Context, _ *Call, target ipmi.Target) (ipmi.Controller, error) {
				return rt.caps.IPMI.Controller(ctx, target)
			})),
		},
		{
			Name: "sensors", Help: "All sensors and what they read now. Reading them takes many requests: give a slow BMC time.", Options: []Param{longDeadline},
			Result: `a list of {name=…, number=…, type="temperature"|"fan"|…, reading=number, unit="degrees C"|"RPM"|…, state="ok"|"non-critical"|"critical"|"non-recoverable"|"unavailable", states={…}}; reading and unit are nil where there is none`,
			Errors: bmcErrors, Example: `for _, s in ipairs(bmc:sensors()) do print(s.name, s.reading, s.unit, s.state) end`,
			Op: rt.bmcRead(bmcAsk(rt, func(ctx context.Context, _ *Call, target ipmi.Target) ([]ipmi.Sensor, error) {
				return rt.caps.IPMI.Sensors(ctx, target)
			})),
		},
		{
			Name: "events", Help: "The system event log (SEL), oldest first.", Options: []Param{longDeadline},
			Result: `a list of {id=…, at=seconds since 1970, sensor=…, type=…, text=…, asserted=…, data=16 bytes}; at is nil where the BMC's clock was not set, asserted is false where the condition ended`,
			Errors: bmcErrors, Example: `for _, e in ipairs(bmc:events()) do print(e.id, e.sensor, e.text) end`,
			Op: &Operation{Effect: Read, Property: propertyEvents, Object: rt.bmcObject,
				Answer: func(*Call, any) any { return []ipmi.Event{} },
				Do: bmcAsk(rt, func(ctx context.Context, _ *Call, target ipmi.Target) ([]ipmi.Event, error) {
					return rt.caps.IPMI.Events(ctx, target)
				})},
		},
		{
			Name: "clear_events", Help: "Empties the system event log. What was in it is gone.", Options: []Param{longDeadline}, Result: "nothing",
			Errors: bmcErrors, Example: `bmc:clear_events()`,
			Op: &Operation{Effect: WriteOnce, Property: propertyEvents, Object: rt.bmcObject, Destructive: true,
				Leaves: func(*Call) any { return "empty" },
				Do: bmcTell(rt, func(ctx context.Context, _ *Call, target ipmi.Target) error {
					return rt.caps.IPMI.ClearEvents(ctx, target)
				})},
		},
		rt.rowRaw(),
	}
}

// longDeadline is for what takes a request for each of many records.
var longDeadline = Param{Name: "deadline", Type: Seconds, Default: 60.0, Help: "for the session and all requests"}

const propertyEvents = "events"

func (rt *Runtime) bmcRead(do func(context.Context, *Call) (any, error)) *Operation {
	return &Operation{Effect: Read, Object: rt.bmcObject, Do: do}
}
