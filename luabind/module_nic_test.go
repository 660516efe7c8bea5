package luabind

import (
	"context"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/nic"
	"ctys/primitives/sim"
)

// armable is a machine with a card that is not armed.
func armable(t *testing.T) (*sim.World, Capabilities) {
	t.Helper()
	world := sim.New(1, primitives.SystemClock{})
	t.Cleanup(world.Close)
	world.Add(sim.Machine{Name: "lab01", Power: primitives.PowerOn, NICs: []sim.NIC{
		{Name: "br0", Kind: nic.KindBridge, DefaultRoute: true},
		{Name: "eth0", Driver: "e1000e", Master: "br0", WakeSupported: "pumbgs"},
	}})
	return world, Capabilities{Clock: primitives.SystemClock{}, NIC: world.At("lab01").NIC()}
}

func runNIC(t *testing.T, powers Capabilities, options Options, source string) string {
	t.Helper()
	options.Self = "lab01"
	result, err := New(powers, options).Run(context.Background(), Script{Name: "x.lua", Source: source})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, value := range result.Values {
		words = append(words, Format(value))
	}
	return strings.Join(words, " ")
}

func TestArm(t *testing.T) {
	world, powers := armable(t)
	t.Setenv("SECUREON", "00:22:44:66:88:aa")
	got := runNIC(t, powers, Options{}, `
local before = nic.get("eth0").wake
local armed = nic.arm{ name = "eth0" }
local locked = nic.arm{ name = "eth0", password = secret.env("SECUREON") }
assert(armed.wake.beyond:find("firmware"))
return before.set, armed.name, armed.wake.set, armed.wake.device, locked.wake.set`)
	if got != "d eth0 g enabled gs" {
		t.Error(got)
	}
	if !world.State("lab01").Armed {
		t.Error("the card is not armed")
	}
	if got := runNIC(t, powers, Options{}, `return nic.disarm("eth0").wake.set, nic.get("eth0").wake.set`); got != "d d" {
		t.Error(got)
	}
}

func TestArmRefusals(t *testing.T) {
	_, powers := armable(t)
	t.Setenv("SECUREON", "00:22:44:66")
	got := runNIC(t, powers, Options{}, `
local kinds = {}
for i, options in ipairs{ {name = "eth7"}, {name = "br0"}, {name = "eth0", password = secret.env("SECUREON")}, {name = "eth0", password = "00:22:44:66:88:aa"} } do
  local ok, why = pcall(nic.arm, options)
  assert(not ok)
  assert(not tostring(why):find("22:44"), "the password is shown")
  kinds[i] = why.kind
end
return table.concat(kinds, " ")`)
	if got != "invalid unsupported invalid invalid" {
		t.Error(got)
	}
}

func TestArmIsPlanned(t *testing.T) {
	world, powers := armable(t)
	var planned []string
	got := runNIC(t, powers, Options{Plan: true, Events: func(event Event) {
		if event.Kind == KindPlan {
			planned = append(planned, event.Op+" "+event.Object+" "+event.State)
		}
	}}, `
local armed = nic.arm{ name = "eth0" }
local got, first = nic.get("eth0"), nic.default()
local listed = {}
for i, each in ipairs(nic.list()) do listed[i] = each.name .. "=" .. tostring(each.wake.set) end
nic.disarm("eth0")
return armed.wake.set, armed.driver, got.wake.set, first.name, table.concat(listed, ","), nic.get("eth0").wake.set`)
	if got != "g e1000e g br0 br0=nil,eth0=g d" {
		t.Error(got)
	}
	if want := "nic.arm machine lab01 interface eth0 g, nic.disarm machine lab01 interface eth0 d"; strings.Join(planned, ", ") != want {
		t.Errorf("planned %q", planned)
	}
	if world.State("lab01").Armed {
		t.Error("the plan armed the card")
	}
}

func TestArmingNeedsAuthority(t *testing.T) {
	_, powers := armable(t)
	reading := Authority{Touch: []string{"nic.read"}}
	got := runNIC(t, powers, Options{Authority: &reading}, `
local ok, why = pcall(nic.arm, { name = "eth0" })
return ok, why.kind, nic.get("eth0").wake.set`)
	if got != "false denied d" {
		t.Error(got)
	}
}
