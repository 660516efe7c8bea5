package lab

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"strings"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim"
	"ctys/primitives/sim/bmc"
)

// addBMC puts the BMC of a machine before its chassis.
func (l *Lab) addBMC(m sim.Machine) error {
	if m.BMC == nil {
		return nil
	}
	address, err := netip.ParseAddr(m.BMC.Host)
	if err != nil {
		return primitives.Errorf(primitives.Invalid, "lab.serve", m.BMC.Host, "a lab's BMC has an address within 127.0.0.0/8")
	}
	description := bmc.Description{
		Name:    m.Name,
		Address: netip.AddrPortFrom(address, uint16(portOf(m.BMC.Port, ipmi.DefaultPort))),
		Model:   l.model(m.BMC),
		Chassis: l.world.Chassis(m.Name),
		On:      m.Power == primitives.PowerOn,
	}
	_, _ = hex.Decode(description.GUID[:], []byte(strings.ReplaceAll(m.UUID, "-", "")))
	_, err = l.farm.Add(description)
	return err
}

// model is what the BMC has in common with others: those with the same accounts
// share one.
func (l *Lab) model(b *sim.BMC) *bmc.Model {
	users := map[string]bmc.Account{}
	for name, password := range b.Users {
		users[name] = bmc.Account{Password: password, Limit: b.Limits[name]}
	}
	for _, model := range l.models {
		if model.Slots == b.Slots && maps.Equal(model.Users, users) {
			return model
		}
	}
	model := &bmc.Model{Users: users, Slots: b.Slots, Clock: l.clock}
	l.models = append(l.models, model)
	return model
}

// hear tells the BMC of a machine what happens to its power.
func (l *Lab) hear(entry sim.Entry) {
	b := l.farm.BMC(entry.Machine)
	if b == nil || entry.To == "" {
		return
	}
	from, to := entry.From.Power(), entry.To.Power()
	switch {
	case to == primitives.PowerOff:
		b.Record(bmc.TurnedOff, causes[entry.Why])
	case from == primitives.PowerOff:
		b.Record(bmc.TurnedOn, causes[entry.Why])
	case entry.To == sim.Booting:
		b.Record(bmc.Restarted, causes[entry.Why])
	}
}

var causes = map[string]bmc.Cause{
	sim.WhyBMC: bmc.ByCommand, sim.WhyCycle: bmc.ByCommand, sim.WhyReset: bmc.ByCommand,
	sim.WhyButton: bmc.ByButton, sim.WhyWake: bmc.ByWake, sim.WhyPlug: bmc.ByMains,
}
