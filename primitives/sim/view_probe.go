package sim

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"ctys/primitives"
	"ctys/primitives/probe"
)

// Probe asks whether machines answer, from one machine.
type Probe struct{ view *View }

// Probe gives the machine's power to probe others.
func (v *View) Probe() *Probe { return &Probe{v} }

// Banner is what every SSH server of a world says first.
const Banner = "SSH-2.0-OpenSSH_9.2p1 simulated"

// Ping asks by ICMP. A machine that is up or shuts down answers.
func (p *Probe) Ping(ctx context.Context, host string) (probe.Answer, error) {
	return p.ask(ctx, "ping", "icmp", host, host, func(m *machine) (bool, string) { return m.runs(), "" })
}

// ARP asks for the hardware address of ip in the machine's own segment.
func (p *Probe) ARP(ctx context.Context, iface, ip string) (probe.Answer, error) {
	if !p.view.hasInterface(iface) {
		return probe.Answer{}, primitives.Errorf(primitives.Invalid, "probe.arp", iface, "there is no such interface")
	}
	return p.ask(ctx, "arp", "arp", ip, ip, func(m *machine) (bool, string) {
		return m.runs() && m.Segment == p.view.segment(), m.MAC.String()
	})
}

// TCP asks by a connection to address, host:port. Only the SSH port is open; a
// machine that runs refuses any other, which is an answer too.
func (p *Probe) TCP(ctx context.Context, address string) (probe.Answer, error) {
	host, port, err := splitAddress("probe.tcp", address)
	if err != nil {
		return probe.Answer{}, err
	}
	return p.ask(ctx, "tcp", "tcp", host, address, func(m *machine) (bool, string) {
		if m.enterable() && m.port() == port {
			return true, ""
		}
		return m.runs(), "connection refused"
	})
}

// SSH asks for the banner of the SSH server at address, host:port or a host,
// whose port is then the machine's own.
func (p *Probe) SSH(ctx context.Context, address string) (probe.Answer, error) {
	host, port := address, 0
	if _, _, err := net.SplitHostPort(address); err == nil {
		if host, port, err = splitAddress("probe.ssh", address); err != nil {
			return probe.Answer{}, err
		}
	}
	return p.ask(ctx, "ssh", "ssh", host, address, func(m *machine) (bool, string) {
		if m.enterable() && (port == 0 || port == m.port()) {
			return true, Banner
		}
		return false, ""
	})
}

func splitAddress(op, address string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(digits)
	}
	if err != nil || port < 1 || port > 65535 {
		return "", 0, primitives.Errorf(primitives.Invalid, op, address, "this is no host:port")
	}
	return host, port, nil
}

// ask probes a host. What does not answer before ctx ends, or World.Silence has
// passed where ctx has no deadline, is Up=false and no error; so is a probe
// that is made to hang by a fault.
func (p *Probe) ask(ctx context.Context, verb, way, host, object string, look func(m *machine) (up bool, detail string)) (probe.Answer, error) {
	w := p.view.world
	c := call{power: "probe", verb: verb, object: object, about: p.view.about(host)}
	silent := probe.Answer{Way: way, Address: object, Detail: "no answer"}
	answer := probe.Answer{Up: true, Way: way, Address: object}
	begun := w.time.Now()
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = primitives.WithTimeout(ctx, w.time, w.Silence)
		defer cancel()
	}
	err := p.view.do(ctx, c, func() (string, error) {
		m, err := p.view.machineOf(c, host)
		if err != nil {
			return "", err
		}
		if m != nil {
			answer.Up, answer.Detail = look(m)
		}
		if !answer.Up {
			return "", errNoAnswer
		}
		answer.RTT = w.time.Now().Sub(begun)
		return strings.TrimSpace("answers " + answer.Detail), nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return silent, nil
	}
	if err != nil {
		answer.Up = false
	}
	return answer, err
}
