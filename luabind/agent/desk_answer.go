package agent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
)

// answer carries out what an agent asks. An agent is trusted with what its
// order needs, not with the desk: it gets secrets of the rows that were
// shipped to it, reaches what stands below its machine, with the scripts and
// the authority of its own order.
func (s *session) answer(ctx context.Context, question ask, events func(luabind.Event)) (any, error) {
	switch question.Service {
	case serviceSecret:
		var id string
		if err := s.read(question, &id); err != nil {
			return nil, err
		}
		return s.secret(ctx, id)
	case serviceRun:
		var order luabind.Order
		if err := s.read(question, &order); err != nil {
			return nil, err
		}
		return s.nested(ctx, order, events)
	case serviceCarry:
		var names []string
		if err := s.read(question, &names); err != nil {
			return nil, err
		}
		return s.carry(ctx, names)
	case serviceShutDown:
		var request downRequest
		if err := s.read(question, &request); err != nil {
			return nil, err
		}
		return nil, s.shutDown(ctx, request)
	}
	if _, known := bmcServices[question.Service]; known {
		var request bmcRequest
		if err := s.read(question, &request); err != nil {
			return nil, err
		}
		return s.bmc(ctx, question.Service, request)
	}
	return nil, primitives.Errorf(primitives.Unsupported, "agent.ask", s.host(), "the desk has no service %q", question.Service)
}

func (s *session) read(question ask, into any) error {
	if err := json.Unmarshal(question.Argument, into); err != nil {
		return primitives.Errorf(primitives.Invalid, "agent."+question.Service, s.host(), "the question is not understood: %v", err)
	}
	return nil
}

func (s *session) refuse(service, what string) error {
	return primitives.Errorf(primitives.Denied, "agent."+service, s.host(), "its order does not cover %s", what)
}

// secret gives one of a row that was shipped.
func (s *session) secret(ctx context.Context, id string) (any, error) {
	row, _, _ := strings.Cut(id, ":")
	if s.shipped.Row(row) == nil {
		return nil, s.refuse(serviceSecret, "the secret "+id)
	}
	return s.desk.options.Inventory.ResolveForDesk(ctx, id)
}

// nested carries an order to a guest: as the agent asks for it, but with no
// more than its own order has.
func (s *session) nested(ctx context.Context, order luabind.Order, events func(luabind.Event)) (any, error) {
	machine, err := s.guest(serviceRun, order.Machine)
	if err != nil {
		return nil, err
	}
	order.Machine = machine
	order.Modules, order.Authority, order.Settings = s.order.Modules, s.order.Authority, s.order.Settings
	order.Plan = order.Plan || s.order.Plan
	order.Yes = order.Yes && s.order.Yes
	order.NoJournal = s.order.NoJournal
	rows, err := s.rows(order)
	if err != nil {
		return nil, err
	}
	order.Inventory = string(s.desk.options.Inventory.Subset(append(rows, s.family(machine.Name)...)))
	return s.desk.runAt(ctx, order, events, s.depth+1)
}

func (s *session) carry(ctx context.Context, names []string) (any, error) {
	machines := make([]luabind.Machine, len(names))
	for i, name := range names {
		machine, err := s.guest(serviceCarry, luabind.Machine{Name: name})
		if err != nil {
			return nil, err
		}
		machines[i] = machine
	}
	return s.desk.carry(ctx, machines), nil
}

func (s *session) shutDown(ctx context.Context, request downRequest) error {
	machine, err := s.guest(serviceShutDown, request.Machine)
	if err != nil {
		return err
	}
	if s.order.Plan || !s.order.Authority.Permits("action.shut_down", luabind.Write) {
		return s.refuse(serviceShutDown, "taking "+machine.Name+" down")
	}
	return s.desk.ShutDown(ctx, machine, request.Request)
}

// guest checks that a machine stands below the agent's, and says how it is
// reached: one that the inventory does not know, through the agent's machine.
func (s *session) guest(service string, machine luabind.Machine) (luabind.Machine, error) {
	inv := s.desk.options.Inventory
	if inv.Row(machine.Name) != nil {
		if !below(inv, machine.Name, s.host()) {
			return machine, s.refuse(service, "the machine "+machine.Name)
		}
		machine.Via = nil
		if len(s.order.Machine.Via) > 0 {
			machine.Via = s.jumps()
		}
		return machine, nil
	}
	if machine.Name == "" || machine.Name == "localhost" {
		return machine, s.refuse(service, "the desk")
	}
	machine.Via = s.jumps()
	return machine, nil
}

// jumps is the way to the agent's machine and through it.
func (s *session) jumps() []string {
	self := s.host()
	if s.order.Machine.User != "" {
		self = s.order.Machine.User + "@" + self
	}
	return append(slices.Clone(s.order.Machine.Via), self)
}

// below tells whether the inventory places name on machine, directly or not.
func below(inv *inventory.Inventory, name, machine string) bool {
	for row := inv.Row(name); row != nil && row.Parent != ""; row = inv.Row(row.Parent) {
		if row.Parent == machine {
			return true
		}
	}
	return false
}

// family is a machine with everything that the inventory places on it.
func (s *session) family(name string) []string {
	members := []string{name}
	for i := 0; i < len(members); i++ {
		for _, child := range s.desk.options.Inventory.Children(members[i]) {
			members = append(members, child.Name)
		}
	}
	return members
}

// rows are those of an agent's order, as far as they were shipped to it.
func (s *session) rows(order luabind.Order) ([]string, error) {
	if order.Inventory == "" {
		return nil, nil
	}
	asked, err := inventory.Parse("machines.lua", []byte(order.Inventory))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, row := range asked.Rows() {
		if s.shipped.Row(row.Name) != nil {
			names = append(names, row.Name)
		}
	}
	return names, nil
}
