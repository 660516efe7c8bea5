package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"ctys/primitives/sim"
	"ctys/primitives/sim/bmc"
)

// Group is the inventory's group of the machines that are only a BMC.
const Group = "@bmcs"

// isBare tells whether a machine is a BMC and nothing else.
func isBare(m sim.Machine) bool {
	return m.BMC != nil && m.Address == "" && m.Parent == "" && !m.Enterable
}

func bmcField(b *sim.BMC) string {
	user, _ := account(b)
	return fmt.Sprintf("bmc = { host = %q, port = %d, user = %q, password = secret.file(%q) }",
		b.Host, portOf(b.Port, 623), user, PasswordFile)
}

// bmcRows are the rows of machines that are only a BMC, and their group: a loop
// where they are numbered and have addresses in a row, as World.AddBMCs makes
// them, since thousands of equal lines tell a reader nothing.
func bmcRows(bare []sim.Machine) string {
	first, numbered := netip.MustParseAddr(bare[0].BMC.Host), true
	for i, m := range bare {
		same := m.BMC.Port == bare[0].BMC.Port && m.BMC.Host == bmc.Nth(first, i+1).String()
		numbered = numbered && same && m.Name == bmc.Name(i+1)
	}
	if !numbered {
		return listed(bare)
	}
	return looped(bare[0].BMC, first, len(bare))
}

func listed(bare []sim.Machine) string {
	var b strings.Builder
	var names []string
	for _, m := range bare {
		fmt.Fprintf(&b, "machines[%q] = { %s }\n", m.Name, bmcField(m.BMC))
		names = append(names, fmt.Sprintf("%q", m.Name))
	}
	fmt.Fprintf(&b, "machines[%q] = { %s }\n", Group, strings.Join(names, ", "))
	return b.String()
}

// looped needs no library, as an inventory has none: numbers get their zeros by
// loops of their own, and a number within a text is written without a point.
func looped(b *sim.BMC, first netip.Addr, n int) string {
	bytes := first.As4()
	user, _ := account(b)
	var text strings.Builder
	fmt.Fprintf(&text, `-- %s to %s are only a BMC each, at %s and the following addresses.
local function add(name, n)
  local place = (n - 1) %% 254
  local network = %d + (n - 1 - place) / 254
  machines[name .. n] = { bmc = { host = "%d.%d." .. network .. "." .. place + 1, port = %d, user = %q, password = secret.file(%q) } }
end
`, bmc.Name(1), bmc.Name(n), first, bytes[2], bytes[0], bytes[1], portOf(b.Port, 623), user, PasswordFile)
	zeros, from := "000", 1
	for ; from <= n; from *= 10 {
		to := min(n, from*10-1)
		if zeros == "" {
			to = n
		}
		fmt.Fprintf(&text, "for n = %d, %d do add(%q, n) end\n", from, to, "bmc"+zeros)
		if zeros == "" {
			break
		}
		zeros = zeros[1:]
	}
	fmt.Fprintf(&text, "machines[%q] = { \"bmc[0001-%04d]\" }\n", Group, n)
	return text.String()
}
