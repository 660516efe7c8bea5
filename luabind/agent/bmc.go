package agent

import (
	"context"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// bmcRequest names a BMC and what is asked of it; its password stays at the
// desk. Which of the other fields count is for the service.
type bmcRequest struct {
	Machine  string         `json:"machine,omitempty"`
	Host     string         `json:"host"`
	Port     int            `json:"port,omitempty"`
	User     string         `json:"user,omitempty"`
	Control  ipmi.Control   `json:"control,omitempty"`
	Identify *ipmi.Identify `json:"identify,omitempty"`
	Boot     *ipmi.Boot     `json:"boot,omitempty"`
	Raw      *ipmi.Request  `json:"raw,omitempty"`
}

// bmcStatus is ipmi.Status with the power as a word.
type bmcStatus struct {
	Power     string    `json:"power"`
	At        time.Time `json:"at"`
	Restore   string    `json:"restore,omitempty"`
	LastEvent []string  `json:"last_event,omitempty"`
	Faults    []string  `json:"faults,omitempty"`
	Identify  string    `json:"identify,omitempty"`
}

func statusAnswer(status ipmi.Status) bmcStatus {
	return bmcStatus{
		Power: status.Power.String(), At: status.At, Restore: status.Restore,
		LastEvent: status.LastEvent, Faults: status.Faults, Identify: status.Identify,
	}
}

func (s bmcStatus) status() (ipmi.Status, error) {
	power, err := primitives.ParsePower(s.Power)
	return ipmi.Status{Power: power, At: s.At, Restore: s.Restore, LastEvent: s.LastEvent, Faults: s.Faults, Identify: s.Identify}, err
}

// deskIPMI has the desk speak to BMCs, but for those that the inventory
// reaches through this machine.
type deskIPMI struct {
	hub       *hub
	inventory *inventory.Inventory
	self      string
	own       luabind.IPMI
}

func (d deskIPMI) isOurs(target ipmi.Target) bool {
	if d.own == nil {
		return false
	}
	row := rowOfBMC(d.inventory, target.Machine, target.Host, target.Port)
	return row != nil && row.BMC.Via == d.self
}

// rowOfBMC finds the machine that a BMC belongs to: the one that is named, else
// the first one that has a BMC at this address.
func rowOfBMC(inv *inventory.Inventory, machine, host string, port int) *inventory.Row {
	fits := func(row *inventory.Row) bool {
		return row != nil && row.BMC != nil && row.BMC.Host == host && portOr(row.BMC.Port) == portOr(port)
	}
	if row := inv.Row(machine); fits(row) {
		return row
	}
	for _, row := range inv.Rows() {
		if fits(row) {
			return row
		}
	}
	return nil
}

func portOr(port int) int {
	if port == 0 {
		return ipmi.DefaultPort
	}
	return port
}

// carry has a request carried out: by this machine where the BMC is its own,
// else by the desk's service, whose argument fill completes.
func carry[T any](ctx context.Context, d deskIPMI, target ipmi.Target, service string, fill func(*bmcRequest), own func(luabind.IPMI) (T, error)) (T, error) {
	if d.isOurs(target) {
		return own(d.own)
	}
	request := bmcRequest{Machine: target.Machine, Host: target.Host, Port: target.Port, User: target.User}
	if fill != nil {
		fill(&request)
	}
	var answer T
	err := d.hub.ask(ctx, service, request, &answer, nil)
	return answer, err
}

// nothing is the answer of a request that has none.
type nothing = struct{}

func obeyed(err error) (nothing, error) { return nothing{}, err }

// Status is luabind.IPMI.
func (d deskIPMI) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	answer, err := carry(ctx, d, target, serviceStatus, nil, func(own luabind.IPMI) (bmcStatus, error) {
		status, err := own.Status(ctx, target)
		return statusAnswer(status), err
	})
	if err != nil {
		return ipmi.Status{}, err
	}
	return answer.status()
}

// Control is luabind.IPMI.
func (d deskIPMI) Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error {
	_, err := carry(ctx, d, target, serviceControl, func(r *bmcRequest) { r.Control = control },
		func(own luabind.IPMI) (nothing, error) { return obeyed(own.Control(ctx, target, control)) })
	return err
}

// Identify is luabind.IPMI.
func (d deskIPMI) Identify(ctx context.Context, target ipmi.Target, identify ipmi.Identify) error {
	_, err := carry(ctx, d, target, serviceIdentify, func(r *bmcRequest) { r.Identify = &identify },
		func(own luabind.IPMI) (nothing, error) { return obeyed(own.Identify(ctx, target, identify)) })
	return err
}

// Boot is luabind.IPMI.
func (d deskIPMI) Boot(ctx context.Context, target ipmi.Target) (ipmi.Boot, error) {
	return carry(ctx, d, target, serviceBoot, nil, func(own luabind.IPMI) (ipmi.Boot, error) { return own.Boot(ctx, target) })
}

// SetBoot is luabind.IPMI.
func (d deskIPMI) SetBoot(ctx context.Context, target ipmi.Target, boot ipmi.Boot) (ipmi.Boot, error) {
	return carry(ctx, d, target, serviceSetBoot, func(r *bmcRequest) { r.Boot = &boot },
		func(own luabind.IPMI) (ipmi.Boot, error) { return own.SetBoot(ctx, target, boot) })
}

// Addresses is luabind.IPMI.
func (d deskIPMI) Addresses(ctx context.Context, target ipmi.Target) ([]string, error) {
	return carry(ctx, d, target, serviceAddresses, nil, func(own luabind.IPMI) ([]string, error) { return own.Addresses(ctx, target) })
}

// Controller is luabind.IPMI.
func (d deskIPMI) Controller(ctx context.Context, target ipmi.Target) (ipmi.Controller, error) {
	return carry(ctx, d, target, serviceController, nil, func(own luabind.IPMI) (ipmi.Controller, error) { return own.Controller(ctx, target) })
}

// Sensors is luabind.IPMI.
func (d deskIPMI) Sensors(ctx context.Context, target ipmi.Target) ([]ipmi.Sensor, error) {
	return carry(ctx, d, target, serviceSensors, nil, func(own luabind.IPMI) ([]ipmi.Sensor, error) { return own.Sensors(ctx, target) })
}

// Events is luabind.IPMI.
func (d deskIPMI) Events(ctx context.Context, target ipmi.Target) ([]ipmi.Event, error) {
	return carry(ctx, d, target, serviceEvents, nil, func(own luabind.IPMI) ([]ipmi.Event, error) { return own.Events(ctx, target) })
}

// ClearEvents is luabind.IPMI.
func (d deskIPMI) ClearEvents(ctx context.Context, target ipmi.Target) error {
	_, err := carry(ctx, d, target, serviceClearEvents, nil,
		func(own luabind.IPMI) (nothing, error) { return obeyed(own.ClearEvents(ctx, target)) })
	return err
}

// Raw is luabind.IPMI.
func (d deskIPMI) Raw(ctx context.Context, target ipmi.Target, request ipmi.Request) (ipmi.Reply, error) {
	return carry(ctx, d, target, serviceRaw, func(r *bmcRequest) { r.Raw = &request },
		func(own luabind.IPMI) (ipmi.Reply, error) { return own.Raw(ctx, target, request) })
}
