package luabind_test

import (
	"context"
	"fmt"

	"ctys/luabind"
)

// A host program gives its scripts a power of its own beside those of ctys.
func Example() {
	lamp := "dark"
	power := &luabind.Module{
		Name: "lamp", Help: "The lamp on the rack.",
		Functions: []luabind.Function{{
			Name: "set", Help: "Switches the lamp.", Result: "the colour", Example: `lamp.set("red")`,
			Args: []luabind.Param{{Name: "colour", Type: luabind.String, Required: true, OneOf: []string{"red", "dark"}}},
			Op: &luabind.Operation{Effect: luabind.Write, Object: func(*luabind.Call) string { return "lamp" },
				Do: func(_ context.Context, c *luabind.Call) (any, error) { lamp = c.String("colour"); return lamp, nil }},
		}},
	}
	host := luabind.New(luabind.Capabilities{}, luabind.Options{Modules: []*luabind.Module{power}})
	_, err := host.Run(context.Background(), luabind.Script{Name: "alarm.lua", Source: `lamp.set("red") lamp.set("blue")`})
	fmt.Println(lamp)
	fmt.Println(err)
	// Output:
	// red
	// alarm.lua:1: lamp.set: argument "colour" is "blue", which is not known; accepted: "red", "dark"
}
