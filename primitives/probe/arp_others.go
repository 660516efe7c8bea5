//go:build !linux

package probe

import (
	"context"
	"net/netip"

	"ctys/primitives"
)

// ARP needs packet sockets, which only Linux has in this form: it is an error
// of kind Unsupported here.
func (p *Prober) ARP(ctx context.Context, iface, ip string) (Answer, error) {
	return Answer{}, primitives.Errorf(primitives.Unsupported, "probe.arp", ip, "ARP can be asked on Linux only")
}

func (p *Prober) whoHas(ctx context.Context, op, iface string, target netip.Addr) (Answer, error) {
	return p.ARP(ctx, iface, target.String())
}
