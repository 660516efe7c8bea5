package ipmi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	libbmc "github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// weather is what a storm does to datagrams.
type weather struct {
	loss, doubled float64
	delay         time.Duration // up to so much, so that they overtake each other
}

// inARow is how many datagrams of a direction a storm loses at most without a
// break, so that the fifth of five is not left to chance.
const inARow = 4

// storm is a UDP path to a BMC that loses, doubles, delays and reorders, and
// counts the sessions that the BMC holds.
type storm struct {
	target Target
	peer   *libraryBMC
	front  *net.UDPConn
	back   *net.UDPConn

	mu      sync.Mutex
	random  *rand.Rand
	weather weather
	from    *net.UDPAddr // of the latest request
	lost    [2]int       // in a row
	begun   []uint32     // sessions that the BMC has begun
	most    int          // of them active at once
	full    int          // "insufficient resources"
}

func startStorm(t *testing.T, peer *libraryBMC, seed uint64, weather weather) *storm {
	t.Helper()
	listen := func() *net.UDPConn {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(peer.target.Host)})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	s := &storm{peer: peer, target: peer.target, front: listen(), back: listen(), random: rand.New(rand.NewPCG(seed, 1)), weather: weather}
	s.target.Port = s.front.LocalAddr().(*net.UDPAddr).Port
	bmc := &net.UDPAddr{IP: net.ParseIP(peer.target.Host), Port: peer.target.Port}
	var running sync.WaitGroup
	running.Go(func() {
		s.carry(s.front, 0, func(packet []byte, from *net.UDPAddr) {
			s.from = from
			s.most = max(s.most, s.active())
		}, func(packet []byte) { _, _ = s.back.WriteToUDP(packet, bmc) })
	})
	running.Go(func() {
		s.carry(s.back, 1, func(packet []byte, _ *net.UDPAddr) { s.note(packet) }, func(packet []byte) {
			s.mu.Lock()
			to := s.from
			s.mu.Unlock()
			_, _ = s.front.WriteToUDP(packet, to)
		})
	})
	t.Cleanup(func() {
		s.front.Close()
		s.back.Close()
		running.Wait()
	})
	return s
}

// carry brings the datagrams of one direction through the storm.
func (s *storm) carry(conn *net.UDPConn, direction int, see func([]byte, *net.UDPAddr), send func([]byte)) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFromUDP(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		packet := append([]byte(nil), buffer[:n]...)
		s.mu.Lock()
		see(packet, from)
		delays := s.fate(direction)
		if direction == 0 && inSession(packet) && len(delays) > 1 {
			delays = delays[:1] // go-ipmi's server carries such a packet out twice, against 6.12.13
		}
		s.mu.Unlock()
		for _, delay := range delays {
			if delay == 0 {
				send(packet)
			} else {
				time.AfterFunc(delay, func() { send(packet) })
			}
		}
	}
}

func inSession(packet []byte) bool { return isRMCPPlus(packet) && sessionOf(packet) != 0 }

// fate is the delay of each copy of a datagram.
func (s *storm) fate(direction int) []time.Duration {
	if s.random.Float64() < s.weather.loss && s.lost[direction] < inARow {
		s.lost[direction]++
		return nil
	}
	s.lost[direction] = 0
	copies := 1
	if s.random.Float64() < s.weather.doubled {
		copies = 2
	}
	delays := make([]time.Duration, copies)
	for i := range delays {
		if s.weather.delay > 0 {
			delays[i] = time.Duration(s.random.Int64N(int64(s.weather.delay)))
		}
	}
	return delays
}

// note reads what the BMC says of a session that it begins.
func (s *storm) note(packet []byte) {
	r, ok := parseSetUp(packet)
	if !ok || r.kind != types.PayloadTypeRmcpOpenSessionResponse {
		return
	}
	if r.status == types.RmcpStatusCodeNoResToCreateSess {
		s.full++
	}
	if !r.refused() {
		id, _, _ := types.UnpackUint32L(r.payload, 8)
		s.begun = append(s.begun, id)
	}
}

// active is how many of the begun sessions are activated. The caller holds mu.
func (s *storm) active() int {
	active := 0
	for _, id := range s.begun {
		session, err := s.peer.bmc.Sessions.Get(id)
		if err != nil {
			continue
		}
		session.ProcMu.Lock()
		if session.State == libbmc.SessionStateActive {
			active++
		}
		session.ProcMu.Unlock()
	}
	return active
}

// Operations on a bad line, many of them given up midway, leave no session
// behind, at no time more than one, and no goroutine. go-ipmi's server has four
// places for sessions.
func TestStorm(t *testing.T) {
	const bmcs, operations, workers = 20, 500, 60
	var paths []*storm
	for n := range bmcs {
		peer := startLibraryBMC(t, fmt.Sprintf("127.111.1.%d", n+1))
		paths = append(paths, startStorm(t, peer, uint64(n), weather{loss: 0.2, doubled: 0.05, delay: 5 * time.Millisecond}))
	}
	for _, s := range paths { // the servers have started what they run when they answer
		awaitAnswer(t, s.peer.target.Host, s.peer.target.Port)
	}
	before := runtime.NumGoroutine()
	c := New(Options{})
	var done, canceled, failed atomic.Int64
	var group sync.WaitGroup
	work := make(chan int)
	for range workers {
		group.Go(func() {
			for n := range work {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				if n%3 == 0 {
					time.AfterFunc(time.Duration(n%200)*time.Millisecond, cancel)
				}
				var err error
				switch target := paths[n%bmcs].target; n % 4 {
				case 0:
					err = c.Control(ctx, target, []Control{PowerOn, PowerOff}[n/4%2])
				default:
					_, err = c.Status(ctx, target)
				}
				switch {
				case err == nil:
					done.Add(1)
				case primitives.KindOf(err) == primitives.Canceled && n%3 == 0:
					canceled.Add(1)
				default:
					failed.Add(1)
					t.Errorf("operation %d: %v", n, err)
				}
				cancel()
			}
		})
	}
	for n := range operations {
		work <- n
	}
	close(work)
	group.Wait()
	t.Logf("%d done, %d canceled, %d failed; %d datagrams dropped", done.Load(), canceled.Load(), failed.Load(), c.Dropped())
	if canceled.Load() < operations/10 {
		t.Errorf("only %d operations were canceled midway", canceled.Load())
	}
	for _, s := range paths {
		s.mu.Lock()
		if active := s.active(); s.most > 1 || active > 0 || s.full > 0 {
			t.Errorf("%s: %d sessions at most, %d left, %d times no room; want at most 1, 0, 0", s.target.Host, s.most, active, s.full)
		}
		s.mu.Unlock()
	}
	goroutinesBack(t, before)
}

// goroutinesBack waits until there are no more goroutines than before.
func goroutinesBack(t *testing.T, before int) {
	t.Helper()
	for range 500 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buffer := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buffer[:runtime.Stack(buffer, true)])
}

// A cycle in a storm happens at most once; where the call says that it was
// done, it was; where it was and the call does not know, it says so. Nearly half
// of them are confirmed, those whose request and reply both come through: of so
// many, less than a third never are by chance, as of forty now and then.
func TestCycleInStorm(t *testing.T) {
	const bmcs = 250
	var confirmed, unknown, unsent atomic.Int64
	var group sync.WaitGroup
	c := New(Options{})
	for n := range bmcs {
		peer := startLibraryBMC(t, fmt.Sprintf("127.111.2.%d", n+1))
		path := startStorm(t, peer, uint64(n), weather{loss: 0.3, doubled: 0.2, delay: 20 * time.Millisecond})
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // a busy machine takes long to open so many sessions
			defer cancel()
			err := c.Control(ctx, path.target, Cycle)
			switch done := peer.chassis.cycles(); {
			case done > 1:
				t.Errorf("the machine was cycled %d times", done)
			case err == nil && done == 0:
				t.Error("the call says done and it is not")
			case err == nil:
				confirmed.Add(1)
			case strings.Contains(err.Error(), "unknown, not repeated"):
				unknown.Add(1)
			case done == 1:
				t.Errorf("cycled, and the call says: %v", err)
			default: // the set-up did not come through
				unsent.Add(1)
			}
		})
	}
	group.Wait()
	t.Logf("%d confirmed, %d unknown, %d not sent", confirmed.Load(), unknown.Load(), unsent.Load())
	if confirmed.Load() < bmcs/3 || unsent.Load() > bmcs/10 {
		t.Errorf("of %d cycles %d were confirmed and %d not sent", bmcs, confirmed.Load(), unsent.Load())
	}
}

// Where datagrams come twice or overtake each other, calls come through all the
// same, with a BMC that forgets its random number at each second RAKP message 1.
func TestDoubledOrReordered(t *testing.T) {
	noLeaks(t)
	for name, weather := range map[string]weather{
		"doubled":   {doubled: 1},
		"reordered": {doubled: 0.1, delay: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Options{})
			peer := startLibraryBMC(t, "127.111.8.1")
			path := startStorm(t, peer, 1, weather)
			for range 10 {
				if _, err := c.Status(within5s(t), path.target); err != nil {
					t.Error(err)
				}
			}
			if err := c.Control(within5s(t), path.target, Cycle); err != nil {
				t.Error(err)
			}
			path.mu.Lock()
			defer path.mu.Unlock()
			if active := path.active(); active > 0 || path.most > 1 || peer.chassis.cycles() != 1 {
				t.Errorf("%d sessions left, %d at most, %d cycles", active, path.most, peer.chassis.cycles())
			}
		})
	}
}
