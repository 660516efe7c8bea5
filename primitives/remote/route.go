package remote

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"ctys/primitives"
)

// A chain longer than this is taken for hosts that name each other.
const maxHops = 16

// route lists the machines to log in to one after the other, the target last.
func (c *Client) route(target Target) ([]*settings, error) {
	return c.routeBehind(target, 0)
}

func (c *Client) routeBehind(target Target, depth int) ([]*settings, error) {
	if depth > maxHops {
		return nil, primitives.Errorf(primitives.Invalid, opConnect, target.Host,
			"its jump hosts lead in a circle: mend ProxyJump in ssh_config")
	}
	last, err := c.resolve(target)
	if err != nil {
		return nil, err
	}
	if last.proxyCommand {
		return nil, primitives.Errorf(primitives.Unsupported, opConnect, target.Host,
			"ssh_config has a ProxyCommand for it, which is not run: use ProxyJump, or name the jump hosts")
	}
	via := target.Via
	if len(via) == 0 && last.proxyJump != "" {
		if via, err = parseJumps(last.proxyJump); err != nil {
			return nil, &primitives.Error{Kind: primitives.Invalid, Op: opConnect, Host: target.Host, Cause: err}
		}
	}
	var hops []*settings
	for i, jump := range via {
		if i == 0 {
			// As with ssh -J: the first jump host is reached in its own way.
			if hops, err = c.routeBehind(jump, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		hop, err := c.resolve(jump)
		if err != nil {
			return nil, err
		}
		hops = append(hops, hop)
	}
	return append(hops, last), nil
}

// parseJumps reads a ProxyJump value: [user@]host[:port] or ssh:// URIs,
// separated by commas.
func parseJumps(value string) ([]Target, error) {
	var jumps []Target
	for _, part := range strings.Split(value, ",") {
		jump, err := parseJump(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("ProxyJump %q: %w", value, err)
		}
		jumps = append(jumps, jump)
	}
	return jumps, nil
}

func parseJump(part string) (Target, error) {
	part = strings.TrimSuffix(strings.TrimPrefix(part, "ssh://"), "/")
	var jump Target
	if at := strings.LastIndexByte(part, '@'); at >= 0 {
		jump.User, part = part[:at], part[at+1:]
	}
	jump.Host = part
	// A bare IPv6 address has several colons and no port.
	if strings.HasPrefix(part, "[") || strings.Count(part, ":") == 1 {
		host, port, err := net.SplitHostPort(part)
		if err != nil {
			host, port = strings.TrimSuffix(strings.TrimPrefix(part, "["), "]"), ""
		}
		jump.Host = host
		if port != "" {
			number, err := strconv.Atoi(port)
			if err != nil || number < 1 || number > 65535 {
				return Target{}, fmt.Errorf("port %q is not between 1 and 65535", port)
			}
			jump.Port = number
		}
	}
	if jump.Host == "" || strings.HasPrefix(jump.Host, "-") || strings.ContainsAny(jump.Host, "[] \t") {
		return Target{}, fmt.Errorf("%q is no host name", jump.Host)
	}
	return jump, nil
}
