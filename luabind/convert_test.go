package luabind

import (
	"context"
	"fmt"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A tree whose nodes name their parent has endless paths, and more of the
// allowed length than any memory holds.
func TestTablesThatContainThemselvesAreShownOnce(t *testing.T) {
	rt, _ := virtual(t, Options{})
	result, err := rt.Run(context.Background(), Script{Name: "tree.lua", Source: `
		local host = {name = "lab01", guests = {}}
		for i = 1, 40 do host.guests[i] = {name = "vm" .. i, parent = host} end
		local twice = {}
		return host, {1, 2, {3}}, {a = twice, b = twice}`})
	if err != nil {
		t.Fatal(err)
	}
	guests := Plain(result.Values[0]).(map[string]any)["guests"].([]any)
	if got := fmt.Sprint(guests[39]); got != "map[name:vm40 parent:…]" {
		t.Errorf("as data: %s", got)
	}
	guest := result.Values[0].(*lua.LTable).RawGetString("guests").(*lua.LTable).RawGetInt(1)
	if got := Format(guest); len(got) > 4000 {
		t.Errorf("shown in %d bytes", len(got))
	}
	if got := fmt.Sprint(Plain(result.Values[1])) + Format(result.Values[1]); got != "[1 2 [3]]{1, 2, {3}}" {
		t.Errorf("a list of lists is %s", got)
	}
	if got := fmt.Sprint(Plain(result.Values[2])) + Format(result.Values[2]); got != "map[a:map[] b:map[]]{a = {}, b = {}}" {
		t.Errorf("a table that stands in two places is %s", got)
	}
}
