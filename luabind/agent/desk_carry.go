package agent

import (
	"context"
	"sync"

	"ctys/luabind"
	"ctys/primitives/stack"
)

// looksAtOnce bounds how many machines are logged in to at the same time.
const looksAtOnce = 32

// Carry is luabind.Relocator. Nothing is carried to the machines: their shells
// are asked.
func (d *Desk) Carry(ctx context.Context, machines []string) (map[string]bool, error) {
	places := make([]luabind.Machine, len(machines))
	for i, name := range machines {
		places[i].Name = name
	}
	return d.carry(ctx, places), nil
}

func (d *Desk) carry(ctx context.Context, machines []luabind.Machine) map[string]bool {
	var (
		mu    sync.Mutex
		seen  = map[string]bool{}
		group sync.WaitGroup
		room  = make(chan struct{}, looksAtOnce)
	)
	for _, machine := range machines {
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			carries, err := stack.Carries(ctx, func(ctx context.Context, argv []string) (string, error) {
				line, err := d.connect(ctx, placeOf(machine))
				if err != nil {
					return "", err
				}
				return line.Output(ctx, argv...)
			})
			if err == nil {
				mu.Lock()
				seen[machine.Name] = carries
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return seen
}
