package probe

import (
	"context"
	"strconv"

	"ctys/primitives"
)

// Any asks in all ways at once: by ICMP, by ARP where an address of host is on
// a local network, and by TCP on each of the ports. The first "up" wins. It is
// "no" only where every way that is permitted and applies here said so or was
// silent until ctx ended; Way and Address are then those of the first, and
// Detail tells what each came to. Where no way is permitted the kind is Denied.
func (p *Prober) Any(ctx context.Context, host string, tcpPorts []int) (Answer, error) {
	const op = "probe.any"
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	for _, port := range tcpPorts {
		if port < 1 || port > 65535 {
			return Answer{}, primitives.Errorf(primitives.Invalid, op, host, "port %d is not within 1 to 65535", port)
		}
	}
	addresses, err := resolve(ctx, op, host)
	if err != nil {
		return Answer{}, err
	}
	var ways []way
	for _, addr := range addresses {
		ways = append(ways, p.echo(op, host, addr))
		if addr.Is4() {
			ways = append(ways, func(ctx context.Context) (Answer, error) { return p.whoHas(ctx, op, "", addr) })
		}
		for _, port := range tcpPorts {
			ways = append(ways, p.connect(op, host, addr, strconv.Itoa(port)))
		}
	}
	return race(ctx, ways)
}
