package agent

import (
	"context"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// mostEvents bounds a log that is told to an agent: it travels as one line.
const mostEvents = 10_000

// bmcService is what the desk does at a BMC for an agent.
type bmcService struct {
	effect luabind.Effect
	// verbs are those under which scripts declare it; having one of them will
	// do. None: whoever was given the BMC's row may ask.
	verbs func(request bmcRequest) []string
	do    func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, request bmcRequest) (any, error)
}

func always(verbs ...string) func(bmcRequest) []string {
	return func(bmcRequest) []string { return verbs }
}

// controlVerbs: a cycle is off and on, each asked for on its own, or the BMC's
// own one.
func controlVerbs(request bmcRequest) []string {
	verbs := []string{"ipmi.power_" + string(request.Control)}
	if request.Control == ipmi.PowerOff || request.Control == ipmi.PowerOn {
		verbs = append(verbs, "ipmi.power_cycle")
	}
	return verbs
}

var bmcServices = map[string]bmcService{
	serviceStatus: {luabind.Read, always(), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		status, err := bmc.Status(ctx, target)
		return statusAnswer(status), err
	}},
	serviceControl: {luabind.Write, controlVerbs, func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, r bmcRequest) (any, error) {
		return nothing{}, bmc.Control(ctx, target, r.Control)
	}},
	serviceIdentify: {luabind.Write, always("ipmi.identify"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, r bmcRequest) (any, error) {
		if r.Identify == nil {
			return nil, lacks(serviceIdentify, target, "how long")
		}
		return nothing{}, bmc.Identify(ctx, target, *r.Identify)
	}},
	serviceBoot: {luabind.Read, always("ipmi.boot_device"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		return bmc.Boot(ctx, target)
	}},
	serviceSetBoot: {luabind.Write, always("ipmi.set_boot_device"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, r bmcRequest) (any, error) {
		if r.Boot == nil {
			return nil, lacks(serviceSetBoot, target, "the device")
		}
		return bmc.SetBoot(ctx, target, *r.Boot)
	}},
	serviceAddresses: {luabind.Read, always("ipmi.addresses"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		return bmc.Addresses(ctx, target)
	}},
	serviceController: {luabind.Read, always("ipmi.controller"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		return bmc.Controller(ctx, target)
	}},
	serviceSensors: {luabind.Read, always("ipmi.sensors"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		return bmc.Sensors(ctx, target)
	}},
	serviceEvents: {luabind.Read, always("ipmi.events"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		events, err := bmc.Events(ctx, target)
		if len(events) > mostEvents {
			return nil, primitives.Errorf(primitives.Unsupported, "agent."+serviceEvents, target.Host,
				"the log has %d records, too many to be told to another machine: read it from the desk", len(events))
		}
		return events, err
	}},
	serviceClearEvents: {luabind.WriteOnce, always("ipmi.clear_events"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, _ bmcRequest) (any, error) {
		return nothing{}, bmc.ClearEvents(ctx, target)
	}},
	serviceRaw: {luabind.WriteOnce, always("ipmi.raw"), func(ctx context.Context, bmc luabind.IPMI, target ipmi.Target, r bmcRequest) (any, error) {
		if r.Raw == nil {
			return nil, lacks(serviceRaw, target, "the command")
		}
		return bmc.Raw(ctx, target, *r.Raw)
	}},
}

func lacks(service string, target ipmi.Target, what string) error {
	return primitives.Errorf(primitives.Invalid, "agent."+service, target.Host, "the question does not say %s", what)
}

// bmc speaks to a BMC of a row that was shipped, with the account that the
// inventory has for it.
func (s *session) bmc(ctx context.Context, name string, request bmcRequest) (any, error) {
	service := bmcServices[name]
	target, err := s.bmcTarget(name, request)
	if err != nil {
		return nil, err
	}
	if !s.permits(service, request) {
		what := string(request.Control)
		if what == "" {
			what = name
		}
		return nil, s.refuse(name, what+" of the BMC "+request.Host)
	}
	return service.do(ctx, s.desk.options.IPMI, target, request)
}

func (s *session) bmcTarget(service string, request bmcRequest) (ipmi.Target, error) {
	shipped := rowOfBMC(s.shipped, request.Machine, request.Host, request.Port)
	if shipped == nil {
		return ipmi.Target{}, s.refuse(service, "the BMC "+request.Host)
	}
	row := s.desk.options.Inventory.Row(shipped.Name)
	if row == nil || row.BMC == nil || row.BMC.User != request.User {
		return ipmi.Target{}, s.refuse(service, "the account "+request.User+" on the BMC "+request.Host)
	}
	if via := row.BMC.Via; via != "" && !luabind.IsThisMachine(s.desk.options.Inventory, via) {
		// From here, another BMC may answer at that address.
		return ipmi.Target{}, primitives.Errorf(primitives.Unreachable, "agent."+service, row.Name,
			"its BMC is spoken to by %s, and an agent elsewhere has no way to it: ask from the desk, or have the script run on %s", via, via)
	}
	if s.desk.options.IPMI == nil {
		return ipmi.Target{}, primitives.Errorf(primitives.Unsupported, "agent."+service, s.host(), "the desk was not given the power to speak to BMCs")
	}
	return ipmi.Target{Machine: row.Name, Host: row.BMC.Host, Port: row.BMC.Port, User: row.BMC.User,
		Password: s.desk.options.Inventory.Secret(row.BMC.Password, row.Name)}, nil
}

// permits tells whether the agent's order covers a request. A plan writes
// nothing.
func (s *session) permits(service bmcService, request bmcRequest) bool {
	if s.order.Plan && service.effect != luabind.Read {
		return false
	}
	verbs := service.verbs(request)
	for _, verb := range verbs {
		if s.order.Authority.Permits(verb, service.effect) {
			return true
		}
	}
	return len(verbs) == 0
}
