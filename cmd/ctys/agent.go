package main

import (
	"context"

	"ctys/luabind/agent"
	"ctys/luabind/real"
)

// agent is what a desk calls on another machine.
func (a *app) agent(argv []string) int {
	return agent.Main(context.Background(), argv, a.stdin, a.stdout, a.stderr, agent.Host{
		Version: programVersion(), Capabilities: real.Agent, Guard: real.Guard,
	})
}
