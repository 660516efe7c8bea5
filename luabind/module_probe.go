package luabind

import (
	"context"

	"ctys/primitives"
	"ctys/primitives/probe"
)

// probeModule asks whether a machine answers.
func (rt *Runtime) probeModule() *Module {
	deadline := Param{Name: "deadline", Type: Seconds, Default: 3.0, Help: "how long to wait for an answer"}
	host := Param{Name: "host", Type: String, Required: true, Help: "name or IP address"}
	address := Param{Name: "address", Type: String, Required: true, Help: "host:port"}
	row := func(name, help, example string, argument Param, do func(ctx context.Context, c *Call) (probe.Answer, error)) Function {
		return Function{
			Name: name, Help: help, Args: []Param{argument}, Options: []Param{deadline},
			Result:  `{up=boolean, way=…, address=…, rtt=seconds, detail=…}; silence is up=false, which proves nothing`,
			Errors:  []primitives.Kind{primitives.Unreachable, primitives.Denied},
			Example: example,
			Op: &Operation{
				Effect: Read, Property: PropertyAnswers,
				Object: func(c *Call) string { return "address " + c.String(argument.Name) },
				Answer: func(c *Call, left any) any {
					return probe.Answer{Up: left == true, Way: name, Address: c.String(argument.Name), Detail: "planned"}
				},
				Do: func(ctx context.Context, c *Call) (any, error) {
					ctx, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
					defer cancel()
					return do(ctx, c)
				},
			},
		}
	}
	return &Module{
		Name: "probe",
		Help: "Is it up? An answer proves that something answers; silence proves nothing.",
		Functions: []Function{
			row("ping", "ICMP echo.", `print(probe.ping("127.0.0.1").up)`, host,
				func(ctx context.Context, c *Call) (probe.Answer, error) {
					return rt.caps.Probe.Ping(ctx, c.String("host"))
				}),
			row("arp", "ARP, on the segment that has a route to the address.", `print(probe.arp("192.0.2.1", {deadline = 1}).up)`, host,
				func(ctx context.Context, c *Call) (probe.Answer, error) {
					return rt.caps.Probe.ARP(ctx, "", c.String("host"))
				}),
			row("tcp", "A TCP connection; one that is refused is an answer.", `print(probe.tcp("127.0.0.1:22").up)`, address,
				func(ctx context.Context, c *Call) (probe.Answer, error) {
					return rt.caps.Probe.TCP(ctx, c.String("address"))
				}),
			row("ssh", "The banner of an SSH server.", `print(probe.ssh("127.0.0.1:22").detail)`, address,
				func(ctx context.Context, c *Call) (probe.Answer, error) {
					return rt.caps.Probe.SSH(ctx, c.String("address"))
				}),
		},
	}
}

// PropertyAnswers is whether an address answers probes.
const PropertyAnswers = "answers"
