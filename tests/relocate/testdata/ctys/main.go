// Command ctys is an agent with few powers: tests upload it to a machine that
// has none.
package main

import (
	"context"
	"io"
	"os"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/exec"
)

// version is set by the test that builds this.
var version = "none"

func main() {
	if len(os.Args) < 2 || os.Args[1] != "agent" {
		os.Exit(2)
	}
	clock := primitives.SystemClock{}
	os.Exit(agent.Main(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr, agent.Host{
		Version: version,
		Capabilities: func(context.Context, luabind.Order) (luabind.Capabilities, func(), error) {
			return luabind.Capabilities{Clock: clock, Exec: exec.New(clock)}, nil, nil
		},
		Lease: func(ctx context.Context, job string) (io.Closer, string, error) {
			lease, err := journal.Acquire(ctx, clock, os.Getenv("CTYS_TEST_LEASES"), agent.ThisMachine, job)
			return lease, "", err
		},
	}))
}
