package ipmi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/rmcpplus"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// line is one call's way to one BMC through a socket that many lines share.
// Only the goroutine of the call uses it; the socket's reader puts what comes
// for it into mail.
type line struct {
	clock  primitives.Clock
	socket *socket
	to     netip.AddrPort
	pace   pace

	console   uint32       // session id of the present set-up or session, chosen here
	former    []uint32     // those of set-ups that were given up
	tag       byte         // of the last message of a set-up (13.17)
	dropped   atomic.Int32 // datagrams from this address that answered nothing
	mail      chan arrival
	alarm     chan struct{}
	leaveGate func() // may be called several times
}

// arrival is a datagram of the BMC, or what the network says of the way to it.
type arrival struct {
	packet []byte
	err    error
}

// mailbox is how many datagrams wait for a line; it asks one thing at a time.
const mailbox = 8

// errLost says that no reply came in time. It never leaves the package.
var errLost = errors.New("no reply")

// renew chooses a new session id, so that what still comes for the former one
// cannot be taken for something of the next.
func (l *line) renew() {
	if l.console != 0 {
		l.former = append(l.former, l.console)
	}
	l.socket.rename(l)
}

// nextTag gives each message of all set-ups on this line a tag of its own: a
// refusal may come so short that nothing else tells which message it answers.
func (l *line) nextTag() byte {
	l.tag++
	return l.tag
}

// send hands one packet to the network. What the network refuses is a failure
// and was not sent.
func (l *line) send(packet []byte) error {
	if err := l.socket.send(packet, l.to); err != nil {
		refused := noWay(err)
		refused.unsent = true
		return refused
	}
	return nil
}

// await gives the next datagram. Its error is errLost at the time until, the
// error of ctx, or a failure where the network says that there is no way.
func (l *line) await(ctx context.Context, until time.Time) ([]byte, error) {
	stop := l.clock.AfterFunc(until.Sub(l.clock.Now()), l.ring)
	defer stop()
	for {
		select {
		case got := <-l.mail:
			if got.err != nil {
				return nil, noWay(got.err)
			}
			return got.packet, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.alarm: // or one of an earlier wait
			if !l.clock.Now().Before(until) {
				return nil, errLost
			}
		}
	}
}

func (l *line) ring() {
	select {
	case l.alarm <- struct{}{}:
	default:
	}
}

// yield lets other BMCs' calls begin: this one lets a reply wait.
func (l *line) yield() { l.leaveGate() }

// stray looks at a datagram that answers nothing. A late answer to an Open
// Session names a session that the BMC has begun for nobody: it is told so, or
// one of its few places stays taken until the session times out.
func (l *line) stray(packet []byte, managed uint32) {
	l.drop()
	if !isRMCPPlus(packet) || packet[payloadTypeOffset] != uint8(types.PayloadTypeRmcpOpenSessionResponse) {
		return
	}
	var late rmcpplus.OpenSessionResponse
	if late.Unpack(payloadOf(packet)) != nil || late.RmcpStatusCode != types.RmcpStatusCodeNoErrors {
		return
	}
	own := late.RemoteConsoleSessionID == l.console && managed != 0 && late.ManagedSystemSessionID != managed
	if own || slices.Contains(l.former, late.RemoteConsoleSessionID) {
		l.giveUp(late.ManagedSystemSessionID, types.RmcpStatusCodeNoResToCreateSess)
	}
}

// drop counts a datagram that answers nothing.
func (l *line) drop() {
	l.dropped.Add(1)
	l.socket.network.dropped.Add(1)
}

// witness adds to the detail of a failure how many datagrams came from the BMC's
// address all the same: somebody may answer in its place.
func (l *line) witness(err error) error {
	var own *failure
	count := l.dropped.Load()
	if count == 0 || !errors.As(err, &own) {
		return err
	}
	told := *own
	told.detail = strings.TrimPrefix(detailOf(own)+"; "+Strays(uint64(count)), "; ")
	return &told
}

// Strays words a count of datagrams that were dropped.
func Strays(count uint64) string {
	if count == 1 {
		return "1 datagram was dropped: late, doubled, or not proven to be the BMC's"
	}
	return fmt.Sprintf("%d datagrams were dropped: late, doubled, or not proven to be the BMC's", count)
}

// giveUp tells the BMC that a session whose set-up it began will not be used:
// RAKP message 3 with an error as its status (13.22). There is no answer to
// wait for.
func (l *line) giveUp(managed uint32, status types.RmcpStatusCode) {
	message := rmcpplus.RAKPMessage3{RmcpStatusCode: status, ManagedSystemSessionID: managed}
	_ = l.send(plainPacket(types.PayloadTypeRAKPMessage3, message.Pack())) // the BMC's own timeout remains
}

// noWay is the failure where the network cannot carry packets to the BMC.
func noWay(err error) *failure {
	if primitives.KindOf(err) == primitives.Unreachable {
		return failed(primitives.Unreachable, "the BMC's host refuses the port, or there is no way to it", err)
	}
	return failed(primitives.Unreachable, "no packet can be sent to the BMC", err)
}

// randomID is a session id or a tag that nobody can foresee; never zero.
func randomID() uint32 {
	for {
		if id := binary.LittleEndian.Uint32(crypto.RandomBytes(4)); id != 0 {
			return id
		}
	}
}
