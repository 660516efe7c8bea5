package stack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
)

// addressBudget bounds the search for a guest's addresses: a guest agent that
// hangs must not hold up the list of all guests.
const addressBudget = 2 * time.Second

// addressSearches are how many guests' addresses are looked for at once.
const addressSearches = 8

// libvirtd is the backend for qemu, lxc and test.
type libvirtd struct {
	hub *hub
	uri string
}

// look runs a reading request, and once more where an old connection turned
// out to be lost: a libvirtd that was restarted answers on a new one.
func look[T any](ctx context.Context, h *hub, work func(context.Context, *libvirt.Libvirt) (T, error)) (T, error) {
	result, err := call(ctx, h.looks, work)
	if errors.Is(err, errLost) && ctx.Err() == nil {
		return call(ctx, h.looks, work)
	}
	return result, err
}

func (l *libvirtd) list(ctx context.Context, op string) ([]Guest, error) {
	guests, err := look(ctx, l.hub, l.readAll)
	if err != nil {
		return nil, hypervisorError(op, l.uri, "", err)
	}
	l.findAddresses(ctx, guests)
	return guests, nil
}

func (l *libvirtd) readAll(ctx context.Context, rpc *libvirt.Libvirt) ([]Guest, error) {
	domains, _, err := rpc.ConnectListAllDomains(1, libvirt.ConnectListDomainsActive|libvirt.ConnectListDomainsInactive)
	if err != nil {
		return nil, err
	}
	guests := make([]Guest, 0, len(domains))
	for _, domain := range domains {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		guest, err := l.read(rpc, domain)
		var answer libvirt.Error
		switch {
		case libvirt.IsNotFound(err):
			continue // it has ended since
		case errors.As(err, &answer):
			guest.State, guest.Cause = Unknown, answer.Message
		case err != nil:
			return nil, err
		}
		guests = append(guests, guest)
	}
	return guests, nil
}

func (l *libvirtd) inspect(ctx context.Context, op, id string) (Guest, error) {
	guest, err := look(ctx, l.hub, func(_ context.Context, rpc *libvirt.Libvirt) (Guest, error) {
		domain, err := lookup(rpc, id)
		if err != nil {
			return Guest{}, err
		}
		return l.read(rpc, domain)
	})
	if errors.Is(err, errAbsent) || libvirt.IsNotFound(err) {
		return Guest{Ref: Ref{URI: l.uri, UUID: id}, State: Off, At: l.hub.client.clock.Now()}, nil
	}
	if err != nil {
		return Guest{}, hypervisorError(op, l.uri, "guest "+id, err)
	}
	one := []Guest{guest}
	l.findAddresses(ctx, one)
	return one[0], nil
}

// lookup finds a domain; errAbsent is the hypervisor's own word that it has none.
func lookup(rpc *libvirt.Libvirt, id string) (libvirt.Domain, error) {
	parsed, err := parseUUID(id)
	if err != nil {
		return libvirt.Domain{}, err
	}
	domain, err := rpc.DomainLookupByUUID(libvirt.UUID(parsed))
	if libvirt.IsNotFound(err) {
		return domain, errAbsent
	}
	return domain, err
}

// read collects what libvirt tells of a domain. With an error, the guest has at
// least its identity.
func (l *libvirtd) read(rpc *libvirt.Libvirt, from libvirt.Domain) (Guest, error) {
	guest := Guest{
		Ref:  Ref{URI: l.uri, UUID: uuid(from.UUID).String()},
		Name: from.Name,
		At:   l.hub.client.clock.Now(),
	}
	seen, err := readState(rpc, from)
	if err != nil {
		return guest, err
	}
	text, err := rpc.DomainGetXMLDesc(from, 0)
	if err != nil {
		return guest, err
	}
	described, err := parseDomain(text)
	if err != nil {
		return guest, err
	}
	persistent, err := rpc.DomainIsPersistent(from)
	if err != nil {
		return guest, err
	}
	// a driver without autostart starts nothing by itself
	autostart, err := rpc.DomainGetAutostart(from)
	guest.Autostart = err == nil && autostart != 0
	guest.State, guest.Cause, guest.Witness = seen.state, seen.cause, seen.witness
	guest.Type, guest.MACs, guest.Agent = described.kind, described.macs, described.agent
	guest.ManagedBy = described.owner
	guest.Persistent = persistent != 0
	guest.ID = max(0, int(from.ID))
	return guest, nil
}

// readState reads a domain's state. Its witness is its run-time id: libvirt's
// interface tells no start time.
func readState(rpc *libvirt.Libvirt, from libvirt.Domain) (glance, error) {
	state, reason, err := rpc.DomainGetState(from, 0)
	if err != nil {
		return glance{}, err
	}
	saved := false
	if libvirt.DomainState(state) == libvirt.DomainShutoff {
		// a driver without managed save has no images
		image, err := rpc.DomainHasManagedSaveImage(from, 0)
		saved = err == nil && image != 0
	}
	var seen glance
	seen.state, seen.cause = stateOf(state, reason, saved)
	if from.ID > 0 {
		seen.witness = fmt.Sprintf("id %d", from.ID)
	}
	return seen, nil
}

func (l *libvirtd) glance(ctx context.Context, op, id string) (glance, error) {
	seen, err := look(ctx, l.hub, func(_ context.Context, rpc *libvirt.Libvirt) (glance, error) {
		domain, err := lookup(rpc, id)
		if err != nil {
			return glance{}, err
		}
		return readState(rpc, domain)
	})
	if errors.Is(err, errAbsent) || libvirt.IsNotFound(err) {
		return glance{state: Off}, nil
	}
	return seen, hypervisorError(op, l.uri, "guest "+id, err)
}

// findAddresses adds the addresses of the guests that run, as far as they are
// to be found in time.
func (l *libvirtd) findAddresses(ctx context.Context, guests []Guest) {
	clock := l.hub.client.clock
	ctx, cancel := primitives.WithTimeout(ctx, clock, addressBudget)
	defer cancel()
	room := make(chan struct{}, addressSearches)
	var searches sync.WaitGroup
	for i := range guests {
		if guests[i].State != Running {
			continue
		}
		room <- struct{}{}
		searches.Go(func() {
			defer func() { <-room }()
			guests[i].Addresses = l.addresses(ctx, guests[i])
		})
	}
	searches.Wait()
}

func (l *libvirtd) addresses(ctx context.Context, guest Guest) []netip.Addr {
	sources := []libvirt.DomainInterfaceAddressesSource{libvirt.DomainInterfaceAddressesSrcLease}
	if guest.Agent {
		sources = append(sources, libvirt.DomainInterfaceAddressesSrcAgent)
	}
	sources = append(sources, libvirt.DomainInterfaceAddressesSrcArp)
	var found []netip.Addr
	for _, source := range sources {
		// what a source does not know, another may
		interfaces, err := call(ctx, l.hub.asks, func(_ context.Context, rpc *libvirt.Libvirt) ([]libvirt.DomainInterface, error) {
			domain, err := lookup(rpc, guest.UUID)
			if err != nil {
				return nil, err
			}
			return rpc.DomainInterfaceAddresses(domain, uint32(source), 0)
		})
		if err == nil {
			found = addressesOf(interfaces, found)
		}
	}
	return found
}

func (l *libvirtd) ask(ctx context.Context, op, id string, what verb, mode Mode) error {
	request, err := l.request(what, mode)
	if err != nil {
		return primitives.Errorf(primitives.Invalid, op, l.uri, "guest %s: %s", id, err)
	}
	_, err = call(ctx, l.hub.asks, func(ctx context.Context, rpc *libvirt.Libvirt) (struct{}, error) {
		domain, err := lookup(rpc, id)
		if err != nil {
			return struct{}{}, err
		}
		// nothing is asked any more on behalf of a caller who has left
		if ctx.Err() != nil {
			return struct{}{}, ctx.Err()
		}
		return struct{}{}, request(rpc, domain)
	})
	return hypervisorError(op, l.uri, "guest "+id, err)
}

// request is the call that a verb stands for.
func (l *libvirtd) request(what verb, mode Mode) (func(*libvirt.Libvirt, libvirt.Domain) error, error) {
	if mode == ModeSystemd && l.hub.to.driver != "test" {
		return signalToSystemd(what)
	}
	switch what {
	case verbShutdown:
		flag, err := l.flag(mode)
		return func(rpc *libvirt.Libvirt, on libvirt.Domain) error {
			return rpc.DomainShutdownFlags(on, libvirt.DomainShutdownFlagValues(flag))
		}, err
	case verbReboot:
		flag, err := l.flag(mode)
		return func(rpc *libvirt.Libvirt, on libvirt.Domain) error {
			return rpc.DomainReboot(on, libvirt.DomainRebootFlagValues(flag))
		}, err
	case verbReset:
		return func(rpc *libvirt.Libvirt, on libvirt.Domain) error { return rpc.DomainReset(on, 0) }, nil
	case verbDestroy:
		return func(rpc *libvirt.Libvirt, on libvirt.Domain) error { return rpc.DomainDestroyFlags(on, 0) }, nil
	case verbStart:
		return func(rpc *libvirt.Libvirt, on libvirt.Domain) error {
			_, err := rpc.DomainCreateWithFlags(on, 0)
			return err
		}, nil
	case verbSuspend:
		return (*libvirt.Libvirt).DomainSuspend, nil
	case verbResume:
		return resume, nil
	case verbManagedSave:
		return func(rpc *libvirt.Libvirt, on libvirt.Domain) error { return rpc.DomainManagedSave(on, 0) }, nil
	}
	return nil, fmt.Errorf("%q is not known", what)
}

// flags are the modes in libvirt's numbers, the same for shutdown and reboot.
var flags = map[Mode]uint32{
	ModeACPI:     uint32(libvirt.DomainShutdownAcpiPowerBtn),
	ModeAgent:    uint32(libvirt.DomainShutdownGuestAgent),
	ModeInitctl:  uint32(libvirt.DomainShutdownInitctl),
	ModeSignal:   uint32(libvirt.DomainShutdownSignal),
	ModeParavirt: uint32(libvirt.DomainShutdownParavirt),
}

func (l *libvirtd) flag(mode Mode) (uint32, error) {
	flag, known := flags[mode]
	if !known {
		return 0, fmt.Errorf("%q is no mode: acpi, agent, initctl, signal, systemd or paravirt", mode)
	}
	if l.hub.to.driver == "test" {
		return 0, nil // it has no modes, and refuses to be told one
	}
	return flag, nil
}

// resume wakes a guest that suspended itself, and lets any other go on.
func resume(rpc *libvirt.Libvirt, on libvirt.Domain) error {
	state, _, err := rpc.DomainGetState(on, 0)
	if err != nil {
		return err
	}
	if libvirt.DomainState(state) == libvirt.DomainPmsuspended {
		return rpc.DomainPmWakeup(on, 0)
	}
	return rpc.DomainResume(on)
}
