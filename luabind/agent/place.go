package agent

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
	"ctys/primitives/remote"
)

// place is one login: a machine, the account, and the way there.
type place struct {
	name string // in the inventory, or as typed
	user string // empty: the inventory's, else ssh_config's
	port int    // 0: the inventory's, else ssh_config's
	via  string // jump hosts, outermost first, separated by commas; empty: what the inventory says
}

func placeOf(machine luabind.Machine) place {
	return place{name: machine.Name, user: machine.User, via: strings.Join(machine.Via, ",")}
}

// parsePlace reads "lab01", "root@lab01", "lab01:2222", "[fe80::1]:22".
func parsePlace(host string) (place, error) {
	var p place
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		p.user, host = host[:at], host[at+1:]
	}
	p.name = host
	if strings.HasPrefix(host, "[") || strings.Count(host, ":") == 1 {
		name, port, err := net.SplitHostPort(host)
		if err == nil {
			p.name = name
			p.port, err = strconv.Atoi(port)
		}
		if err != nil || p.port < 1 || p.port > 65535 {
			return place{}, primitives.Errorf(primitives.Invalid, "remote.connect", host, "%q is no host (accepted: lab01, root@lab01, lab01:2222)", host)
		}
	}
	if p.name == "" {
		return place{}, primitives.Errorf(primitives.Invalid, "remote.connect", host, "the host's name is missing")
	}
	return p, nil
}

// ways lists how a place may be reached, the shortest first: directly, then
// through the machines that the inventory places it on, of which the outermost
// is reached directly.
func ways(inv *inventory.Inventory, p place) ([]remote.Target, error) {
	target := targetOf(inv, p)
	if p.via != "" {
		for _, jump := range strings.Split(p.via, ",") {
			hop, err := parsePlace(jump)
			if err != nil {
				return nil, err
			}
			target.Via = append(target.Via, targetOf(inv, hop))
		}
		return []remote.Target{target}, nil
	}
	all := []remote.Target{target}
	var jumps []remote.Target
	for row := inv.Row(p.name); row != nil && row.Parent != ""; {
		row = inv.Row(row.Parent)
		if row == nil {
			break
		}
		jumps = append([]remote.Target{targetOf(inv, place{name: row.Name})}, jumps...)
		way := target
		way.Via = append([]remote.Target(nil), jumps...)
		all = append(all, way)
	}
	return all, nil
}

// targetOf fills in what the inventory knows. What it does not know is for
// ssh_config.
func targetOf(inv *inventory.Inventory, p place) remote.Target {
	target := remote.Target{Host: p.name, Port: p.port, User: p.user}
	row := inv.Row(p.name)
	if row == nil {
		return target
	}
	target.Address = row.Address
	target.IdentityFile = row.Identity
	if target.IdentityFile != "" && !filepath.IsAbs(target.IdentityFile) && !strings.HasPrefix(target.IdentityFile, "~") {
		target.IdentityFile = filepath.Join(inv.Dir, target.IdentityFile)
	}
	target.Password = inv.Secret(row.Password, row.Name)
	if target.Port == 0 {
		target.Port = row.Port
	}
	if target.User == "" {
		target.User = row.User
	}
	return target
}
