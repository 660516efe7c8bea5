//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ctys/tests/machine"
)

// operatorOf is one at a machine's desk who knows its key and may log in as
// root. Further fields of its row in the inventory are Lua.
func operatorOf(t testing.TB, a *machine.Access, fields ...string) *operator {
	t.Helper()
	o := newOperator(t, a.Desk.Command)
	trusted(t, o, a)
	o.has(t, "machines.lua", inventory(a, "root", a.Identity, fields...))
	return o
}

// trusted puts a machine's key into the operator's known_hosts.
func trusted(t testing.TB, o *operator, a *machine.Access) {
	t.Helper()
	known, err := os.ReadFile(a.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	o.keeps(t, ".ssh/known_hosts", string(known))
}

func inventory(a *machine.Access, user, identity string, fields ...string) string {
	row := append([]string{fmt.Sprintf("address = %q, user = %q, identity = %q", a.IP, user, identity)}, fields...)
	return fmt.Sprintf("return { %s = { %s } }\n", a.Name, strings.Join(row, ", "))
}
