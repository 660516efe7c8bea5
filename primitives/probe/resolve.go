package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"ctys/primitives"
)

// resolve gives the addresses of a host, each once. A name that has none is
// an error: nothing can be asked then, which is no answer about the machine.
func resolve(ctx context.Context, op, host string) ([]netip.Addr, error) {
	if host == "" {
		return nil, primitives.Errorf(primitives.Invalid, op, host, "no host is given")
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		kind := primitives.Unreachable
		if errors.Is(ctx.Err(), context.Canceled) {
			kind = primitives.Canceled
		}
		return nil, &primitives.Error{Kind: kind, Op: op, Host: host,
			Message: "the name does not resolve; give an address, or enter it in DNS or /etc/hosts", Cause: err}
	}
	var addresses []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, addr := range found {
		if addr = addr.Unmap(); !seen[addr] {
			seen[addr] = true
			addresses = append(addresses, addr)
		}
	}
	return addresses, nil
}
