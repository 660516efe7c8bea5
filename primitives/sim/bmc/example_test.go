package bmc_test

import (
	"context"
	"fmt"
	"net/netip"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim/bmc"
)

// A thousand BMCs for a client to talk to; the first one is asked here.
func ExampleFarm() {
	ctx, cancel := context.WithCancel(context.Background())
	farm := bmc.NewFarm(1)
	model := &bmc.Model{Users: map[string]bmc.Account{"admin": {Password: "secret"}}, Slots: 4}
	if err := farm.AddMany(1000, netip.MustParseAddrPort("127.113.200.1:0"), model, func(n int) bool { return n%2 == 1 }); err != nil {
		fmt.Println(err)
	}
	if err := farm.Serve(ctx); err != nil {
		fmt.Println(err)
	}
	first := farm.BMC("bmc0001")
	status, err := ipmi.New(ipmi.Options{}).Status(ctx, ipmi.Target{
		Host: first.Address.Addr().String(), Port: int(first.Address.Port()), User: "admin",
		Password: primitives.Secret{Reveal: func(context.Context) (string, error) { return "secret", nil }},
	})
	fmt.Println(status.Power, err, first.Counts().Open)
	cancel()
	farm.Wait()
	// Output: on <nil> 0
}
