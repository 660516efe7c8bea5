package sim

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"ctys/primitives"
)

// Desk is the name under which At gives the operator's own machine, as does
// the empty name. It is always on, stands in the segment "" and cannot be
// powered off.
const Desk = "desk"

// World is a world of machines in memory. Its methods may be called by many
// goroutines at once.
type World struct {
	// Latency is how long each call takes, give or take Jitter. Zero is
	// allowed. Both are to be set before the first call.
	Latency, Jitter time.Duration
	// Patience is how long a call waits for a reply that does not come, where
	// its context gives it longer.
	Patience time.Duration
	// Silence is how long a probe waits for an answer that does not come, where
	// its context has no deadline.
	Silence time.Duration

	seed  int64
	time  timeline
	start time.Time

	mu       sync.Mutex
	machines []*machine
	byName   map[string]*machine
	byMAC    map[primitives.MAC]*machine
	byBMC    map[string]*machine // by address and port
	heard    []func(Entry)
	faults   []*fault
	log      []Entry
	lost     []Loss
	wakes    []waiter // to be woken when mu is given back
	cut      bool     // a context was cancelled under mu
	age      int      // how often it was abandoned
	closed   bool
}

// New makes an empty world. The same seed gives the same world: jitter, UUIDs,
// hardware addresses and boot ids are drawn from it. On a Clock of this package
// every call of the world is serialised by it; any other clock, the system's
// for instance, serves too.
func New(seed int64, clock primitives.Clock) *World {
	return &World{
		Latency:  5 * time.Millisecond,
		Jitter:   time.Millisecond,
		Patience: 20 * time.Second,
		Silence:  time.Second,
		seed:     seed,
		time:     timelineOf(clock),
		start:    clock.Now(),
		byName:   map[string]*machine{},
		byMAC:    map[primitives.MAC]*machine{},
		byBMC:    map[string]*machine{},
	}
}

// Clock is the clock that the world lives on.
func (w *World) Clock() primitives.Clock {
	if plain, ok := w.time.(plainTimeline); ok {
		return plain.Clock
	}
	return w.time
}

// Close ends what is under way: no machine changes its state by itself after it.
func (w *World) Close() {
	w.locked(func() {
		w.closed = true
		for _, m := range w.machines {
			m.halt()
		}
	})
}

// Add puts a machine into the world. A host goes in before its guests. What
// does not fit is a fault of the caller: Add panics and says which.
func (w *World) Add(description Machine) {
	w.locked(func() {
		if err := w.add(description); err != nil {
			panic("sim.World.Add: " + err.Error())
		}
	})
}

func (w *World) add(description Machine) error {
	if description.Name == "" || description.Name == Desk || w.byName[description.Name] != nil {
		return fmt.Errorf("%q is no name for a further machine", description.Name)
	}
	m := &machine{Machine: description, index: uint32(len(w.machines)), phase: Off, lines: map[*line]struct{}{}}
	if m.Parent != "" {
		if m.parent = w.byName[m.Parent]; m.parent == nil {
			return fmt.Errorf("%s stands on %q, which there is not", m.Name, m.Parent)
		}
		m.parent.children = append(m.parent.children, m)
	}
	w.complete(m)
	if m.Power == primitives.PowerOn {
		if m.parent != nil && m.parent.phase != Up {
			return fmt.Errorf("%s is on, but its host %s is off", m.Name, m.Parent)
		}
		m.phase, m.starts, m.boots, m.started = Up, 1, 1, w.elapsed().String()
	}
	w.machines = append(w.machines, m)
	w.byName[m.Name], w.byMAC[m.MAC] = m, m
	if m.BMC != nil {
		w.byBMC[bmcAddress(m.BMC.Host, m.BMC.Port)] = m
	}
	return nil
}

// complete makes up what the description leaves open.
func (w *World) complete(m *machine) {
	if m.UUID == "" {
		m.UUID = w.uuid("uuid", m.Name)
	}
	m.UUID = strings.ToLower(m.UUID)
	m.Broadcast = m.subnet()
	if m.MAC.IsZero() {
		m.MAC = w.freeMAC(m.Name)
	}
	if len(m.NICs) == 0 {
		m.NICs = []NIC{m.standardNIC()}
	}
	m.NICs = slices.Clone(m.NICs)
	for i := range m.NICs {
		w.completeNIC(m, &m.NICs[i], i)
	}
	m.configured = slices.Clone(m.NICs)
}

// freeMAC draws a hardware address that no machine of the world has: of the 2^24
// below the prefix of QEMU, two of a thousand machines may well draw the same.
func (w *World) freeMAC(name string) primitives.MAC {
	for again := ""; ; again += "again" {
		digest := w.digest("mac", name+again)
		mac := primitives.MAC{0x52, 0x54, 0x00, digest[0], digest[1], digest[2]}
		if w.byMAC[mac] == nil {
			return mac
		}
	}
}

func (m *machine) standardNIC() NIC {
	if m.parent != nil {
		return NIC{Name: "eth0", Driver: "virtio_net", DefaultRoute: true}
	}
	set := "d"
	if m.WakesOnLAN {
		set = "g"
	}
	return NIC{Name: "eth0", Driver: "e1000e", DefaultRoute: true, WakeSupported: "pumbg", WakeSet: set}
}

func (w *World) completeNIC(m *machine, n *NIC, place int) {
	n.Kind = cmp.Or(n.Kind, "physical")
	if n.WakeSupported != "" {
		n.WakeSet = cmp.Or(n.WakeSet, "d")
		n.WakeDevice = cmp.Or(n.WakeDevice, "enabled")
	}
	if n.MAC.IsZero() {
		n.MAC = m.MAC
		if place > 0 && n.Kind == "physical" && n.Master == "" {
			digest := w.digest("mac", m.Name, n.Name)
			n.MAC = primitives.MAC{0x52, 0x54, 0x00, digest[0], digest[1], digest[2]}
		}
	}
	address, err := netip.ParseAddr(m.Address)
	if err == nil && n.DefaultRoute && len(n.Addresses) == 0 {
		n.Addresses = []netip.Prefix{netip.PrefixFrom(address, min(24, address.BitLen()))}
	}
}

// find gives a machine by name or address; user@ and :port are overlooked.
func (w *World) find(host string) *machine {
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if m := w.byName[host]; m != nil {
		return m
	}
	for _, m := range w.machines {
		if m.Address != "" && m.Address == host {
			return m
		}
	}
	return nil
}

// must is find for callers whose fault it is when there is none.
func (w *World) must(name string) *machine {
	m := w.find(name)
	if m == nil {
		panic(fmt.Sprintf("sim.World: there is no machine %q", name))
	}
	return m
}

// locked runs fn under the lock and wakes afterwards whom it wants woken: the
// clock may run the world's own events when it is told.
func (w *World) locked(fn func()) {
	wakes, cut := func() ([]waiter, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		fn()
		wakes, cut := w.wakes, w.cut
		w.wakes, w.cut = nil, false
		return wakes, cut
	}()
	for _, waiter := range wakes {
		waiter.Wake()
	}
	if cut {
		w.time.Cancelled()
	}
}

func (w *World) elapsed() time.Duration { return w.time.Now().Sub(w.start) }

// digest draws from the seed, by name and not by order, so that concurrent
// callers draw the same in every run.
func (w *World) digest(parts ...string) [sha256.Size]byte {
	text := binary.BigEndian.AppendUint64(nil, uint64(w.seed))
	return sha256.Sum256(append(text, strings.Join(parts, "\x00")...))
}

// uuid draws a random UUID (RFC 9562, version 4).
func (w *World) uuid(parts ...string) string {
	digest := w.digest(parts...)
	id := digest[:16]
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	text := hex.EncodeToString(id)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
