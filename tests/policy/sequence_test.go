package policy

import (
	"context"
	"testing"

	"ctys/luabind"
	"ctys/luabind/simulated"
)

// sequenceOf gives what both directions say in words of guests with rows of their own.
const sequenceOf = `
local sequence = require "sequence"
local guests, rows = {}, {}
local function guest(uuid, row)
  local one = { uri = row.uri or "qemu:///system", uuid = uuid, name = row.name }
  guests[#guests + 1], rows[one] = one, not row.unknown and row or nil
end
local function both()
  local order = sequence.of(guests, function(one) return rows[one] end)
  return sequence.words(order) .. " | " .. sequence.words(sequence.backwards(order))
end
`

// The order of guests is the same both ways.
func TestSequence(t *testing.T) {
	for name, test := range map[string]struct{ guests, want string }{
		"nothing said":        {`guest("1", {name = "a"}) guest("2", {name = "b"})`, "a, b | b, a"},
		"a stage beside none": {`guest("1", {name = "a"}) guest("2", {name = "b", stage = 3})`, "b, then a | a, then b"},
		"stages":              {`guest("1", {name = "a", stage = 2}) guest("2", {name = "b", stage = 1}) guest("3", {name = "c", stage = 2})`, "b, then a, c | c, a, then b"},
		"a chain":             {`guest("1", {name = "a", after = {"b"}}) guest("2", {name = "b", after = {"c"}}) guest("3", {name = "c"})`, "c, then b, then a | a, then b, then c"},
		"what is needed comes as early as what needs it": {`guest("1", {name = "a", stage = 1, after = {"b"}}) guest("2", {name = "b"})`, "b, then a | a, then b"},
		"one who is not there":                           {`guest("1", {name = "a", after = {"gone"}}) guest("2", {name = "b"})`, "a, b | b, a"},
		"two of one name on two hypervisors": {
			`guest("1", {name = "db"}) guest("2", {name = "web", after = {"db"}}) guest("3", {name = "db", uri = "lxc:///system"})`,
			"db, db, then web | web, then db, db"},
		"one that the inventory does not know": {`guest("1", {name = "db", unknown = true}) guest("2", {name = "web", after = {"db"}})`, "db, web | web, db"},
	} {
		runtime := luabind.New(simulated.Desk(rack(t).world, "", nil), luabind.Options{Path: simulated.Path(nil)})
		got, err := runtime.Run(context.Background(), luabind.Script{Name: "sequence.lua", Source: sequenceOf + test.guests + "\nreturn both()"})
		if err != nil || len(got.Values) != 1 || got.Values[0].String() != test.want {
			t.Errorf("%s: %v, %v, want %s", name, got.Values, err, test.want)
		}
	}
}
