package ipmi

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"ctys/primitives"
)

// Addresses tells where a BMC listens, each as "192.0.2.7:623", in the order of
// the resolver. It asks the resolver where the host is a name, and sends the BMC
// nothing. Two targets that have one in common are one BMC. Kinds: Unreachable
// (no such name), Timeout, Canceled, Invalid (the target itself).
func (c *Client) Addresses(ctx context.Context, target Target) ([]string, error) {
	const op = "ipmi.addresses"
	if err := check(target); err != nil {
		return nil, explain(op, target.Host, err)
	}
	found, err := c.resolve(ctx, target)
	if err != nil {
		return nil, explain(op, target.Host, err)
	}
	addresses := make([]string, len(found))
	for i, address := range found {
		addresses[i] = address.String()
	}
	return addresses, nil
}

// resolve finds the addresses of a target, in the order of the resolver. An
// address needs no resolver.
func (c *Client) resolve(ctx context.Context, target Target) ([]netip.AddrPort, error) {
	port := uint16(target.port())
	if ip, err := netip.ParseAddr(target.Host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(plain(ip), port)}, nil
	}
	leave, err := c.names.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", target.Host)
	switch {
	case ctx.Err() != nil:
		return nil, ended(ctx, "the time was over before the name of the BMC was found; nothing was sent")
	case err != nil:
		return nil, failed(primitives.Unreachable, "the name of the BMC is not known here; check it, or give an address", err)
	}
	addresses := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addresses[i] = netip.AddrPortFrom(plain(ip), port)
	}
	return addresses, nil
}

// plain writes an address as the socket gives it back: IPv4 as itself and a
// zone as the name of its interface.
func plain(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if index, err := strconv.Atoi(ip.Zone()); err == nil {
		return ip.WithZone(zoneName(index))
	}
	return ip
}

func zoneName(index int) string {
	if link, err := net.InterfaceByIndex(index); err == nil {
		return link.Name
	}
	return strconv.Itoa(index)
}
