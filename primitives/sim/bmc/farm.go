package bmc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"

	"ctys/primitives"
)

// Farm is a number of BMCs with their sockets. BMCs are added before Serve.
type Farm struct {
	bmcs    []*BMC
	byName  map[string]*BMC
	ports   map[uint16]*port
	group   sync.WaitGroup
	drawing sync.Mutex
	random  *rand.Rand
}

// port is what shares one UDP port.
type port struct {
	number uint16
	at     map[netip.Addr]*BMC
}

// NewFarm makes an empty farm. What gets lost is drawn from the seed.
func NewFarm(seed int64) *Farm {
	return &Farm{
		byName: map[string]*BMC{}, ports: map[uint16]*port{},
		random: rand.New(rand.NewPCG(uint64(seed), 0)),
	}
}

// Add puts a BMC into the farm. Port 0 stands for a free one, the same for all
// that have it where they share a socket; Serve puts it into their addresses. Errors: Invalid for an
// address that is not within 127.0.0.0/8, Busy for a name or address that another
// one has.
func (f *Farm) Add(description Description) (*BMC, error) {
	address := description.Address
	if !address.Addr().Is4() || !address.Addr().IsLoopback() {
		return nil, primitives.Errorf(primitives.Invalid, "bmc.add", description.Name,
			"the address %s is not within 127.0.0.0/8: a simulated BMC is on loopback", address.Addr())
	}
	p := f.ports[address.Port()]
	if p == nil {
		p = &port{number: address.Port(), at: map[netip.Addr]*BMC{}}
		f.ports[address.Port()] = p
	}
	if f.byName[description.Name] != nil || p.at[address.Addr()] != nil {
		return nil, primitives.Errorf(primitives.Busy, "bmc.add", description.Name, "another BMC has this name or the address %s", address)
	}
	b := newBMC(description, len(f.bmcs))
	f.bmcs = append(f.bmcs, b)
	f.byName[b.Name], p.at[address.Addr()] = b, b
	return b, nil
}

// AddMany adds n BMCs with chassis of their own, bmc0001, bmc0002 and so on, at
// the addresses that Nth gives from first on. Those are on that on tells, by
// their number from 1 on; nil is none. Errors: as Add.
func (f *Farm) AddMany(n int, first netip.AddrPort, model *Model, on func(n int) bool) error {
	for i := 1; i <= n; i++ {
		description := Description{
			Name:    Name(i),
			Address: netip.AddrPortFrom(Nth(first.Addr(), i), first.Port()),
			GUID:    [16]byte{0: 0xbc, 14: byte(i >> 8), 15: byte(i)},
			Model:   model,
			On:      on != nil && on(i),
		}
		if _, err := f.Add(description); err != nil {
			return err
		}
	}
	return nil
}

// Name is the name of the n-th of many BMCs, from 1 on.
func Name(n int) string { return fmt.Sprintf("bmc%04d", n) }

// Nth is the n-th address from first on, from 1 on: those that end in 0 or 255
// are left out, because clients may take them for networks. first ends in 1.
func Nth(first netip.Addr, n int) netip.Addr {
	bytes := first.As4()
	at := int(bytes[1])<<16 | int(bytes[2])<<8
	at += (n-1)/254<<8 | 1 + (n-1)%254
	return netip.AddrFrom4([4]byte{bytes[0], byte(at >> 16), byte(at >> 8), byte(at)})
}

// BMC gives a BMC by name; nil where there is none.
func (f *Farm) BMC(name string) *BMC { return f.byName[name] }

// All gives the BMCs in the order in which they were added.
func (f *Farm) All() []*BMC { return f.bmcs }

// Serve opens the sockets and returns when every BMC answers. They are closed
// with ctx, which is to be ended after an error too. Errors: Busy for an address
// that somebody else uses, Unreachable where no socket is to be had.
func (f *Farm) Serve(ctx context.Context) error {
	for _, p := range f.ports {
		if len(p.at) == 0 {
			continue
		}
		if err := f.open(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Wait returns when nothing of the farm runs any more.
func (f *Farm) Wait() { f.group.Wait() }

// draw gives a number from 0 to 1.
func (f *Farm) draw() float64 {
	f.drawing.Lock()
	defer f.drawing.Unlock()
	return f.random.Float64()
}

// finish asks the chassis for the rest of an answer.
func (f *Farm) finish(ctx context.Context, b *BMC, rest later) []byte {
	clock := b.Model.Clock
	if clock == nil {
		clock = primitives.SystemClock{}
	}
	ctx, cancel := primitives.WithTimeout(ctx, clock, chassisAtMost)
	defer cancel()
	return rest(ctx)
}

// reply gives the answer to one datagram. What may take time does not hold its
// caller up: that answer goes to late, on another goroutine.
func (f *Farm) reply(ctx context.Context, b *BMC, packet []byte, late func([]byte)) []byte {
	if b.lost(true, f.draw) {
		return nil
	}
	reply, rest := b.answer(packet)
	if rest != nil && b.Chassis != nil {
		f.group.Go(func() {
			if reply := f.finish(ctx, b, rest); reply != nil && !b.lost(false, f.draw) {
				late(reply)
			}
		})
		return nil
	}
	if rest != nil {
		reply = rest(ctx)
	}
	if reply == nil || b.lost(false, f.draw) {
		return nil
	}
	return reply
}
