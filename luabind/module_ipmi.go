package luabind

import (
	"context"
	"fmt"
	"slices"

	"ctys/primitives"
	"ctys/primitives/ipmi"

	lua "github.com/yuin/gopher-lua"
)

// ipmiModule speaks to BMCs.
func (rt *Runtime) ipmiModule() *Module {
	return &Module{
		Name: "ipmi",
		Help: "IPMI 2.0: ask and command the BMC of a machine.",
		Functions: []Function{
			{
				Name: "connect", Help: "Names a BMC and the account to use on it. A session is opened with each request and closed after it.",
				Options: bmcOptions(),
				Result:  "a BMC handle", Example: `local bmc = ipmi.connect{host = "10.0.0.7", user = "admin", password = secret.file("bmc.pw")}`,
				Run: func(c *Call) ([]lua.LValue, error) { return []lua.LValue{rt.bmcHandle(c)}, nil },
			},
		},
		Handles: []HandleType{{
			Name: "bmc", Help: "A BMC.",
			Methods: slices.Concat(rt.bmcPower(), rt.bmcBoot(), rt.bmcReports()),
		}},
	}
}

func bmcOptions() []Param {
	return []Param{
		{Name: "host", Type: String, Required: true, Help: "name or address"},
		{Name: "port", Type: Integer, Min: 1, Max: 65535, Default: float64(ipmi.DefaultPort), Help: "UDP"},
		{Name: "user", Type: String, Help: "at most 16 bytes"}, {Name: "password", Type: Secret, Help: "at most 20 bytes"},
		{Name: "machine", Type: String, Help: "the machine that the BMC belongs to"},
	}
}

// bmcErrors are what any request to a BMC may raise.
var bmcErrors = []primitives.Kind{primitives.Timeout, primitives.Auth, primitives.Denied, primitives.Busy, primitives.Unsupported, primitives.Unreachable}

// bmcDeadline is how long one request may take, session and all.
var bmcDeadline = Param{Name: "deadline", Type: Seconds, Default: 20.0, Help: "for the session and the request"}

type bmcData struct{ target ipmi.Target }

func (rt *Runtime) bmcHandle(c *Call) lua.LValue {
	data := bmcData{target: ipmi.Target{
		Host: c.String("host"), Port: c.Int("port"), User: c.String("user"), Password: c.Secret("password"), Machine: c.String("machine"),
	}}
	return c.NewHandle("bmc", fmt.Sprintf("bmc %s:%d", data.target.Host, data.target.Port), data, lua.LNil)
}

func (rt *Runtime) bmcObject(c *Call) string {
	if machine := bmcOf(c).target.Machine; machine != "" {
		return machineObject(machine)
	}
	return c.Self.ID
}

func bmcOf(c *Call) bmcData { return c.Self.Data.(bmcData) }

// bmcAsk is the body of an operation: one request within the call's deadline.
func bmcAsk[T any](rt *Runtime, request func(ctx context.Context, c *Call, target ipmi.Target) (T, error)) func(context.Context, *Call) (any, error) {
	return func(ctx context.Context, c *Call) (any, error) {
		limited, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
		defer cancel()
		answer, err := request(limited, c, bmcOf(c).target)
		if err != nil {
			return nil, err
		}
		return answer, nil
	}
}

// bmcTell is bmcAsk for a request that has no answer.
func bmcTell(rt *Runtime, request func(ctx context.Context, c *Call, target ipmi.Target) error) func(context.Context, *Call) (any, error) {
	return bmcAsk(rt, func(ctx context.Context, c *Call, target ipmi.Target) (any, error) {
		return nil, request(ctx, c, target)
	})
}
