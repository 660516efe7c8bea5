package sim

import (
	"context"
	"fmt"
	"slices"

	"ctys/primitives/stack"
)

// Managers gives the cluster managers of a host, by its guests' ClusterManaged.
func (p *Stack) Managers(ctx context.Context, host string) ([]stack.Manager, error) {
	c := call{power: "stack", verb: "managers", object: host, about: p.view.about(host)}
	list := []stack.Manager{}
	err := p.view.do(ctx, c, func() (string, error) {
		m, err := p.hostOf(c, host)
		if err != nil || m == nil {
			return "none", err
		}
		list = m.managers()
		return fmt.Sprint(len(list)), nil
	})
	return list, err
}

func (m *machine) managers() []stack.Manager {
	list := []stack.Manager{}
	for _, guest := range m.children {
		if guest.ClusterManaged == "" {
			continue
		}
		at := slices.IndexFunc(list, func(known stack.Manager) bool { return known.Name == guest.ClusterManaged })
		if at < 0 {
			at = len(list)
			list = append(list, stack.Manager{Name: guest.ClusterManaged})
		}
		list[at].Owns = append(list[at].Owns, stack.Owned{Guest: guest.Name, Resource: "vm-" + guest.Name})
	}
	return list
}
