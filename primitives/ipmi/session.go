package ipmi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bougou/go-ipmi/pkg/command/app"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// session is one open RMCP+ session with a BMC. One goroutine uses it.
type session struct {
	clock   primitives.Clock
	line    *line
	managed uint32 // session id that the BMC chose
	keys    *keys

	out      uint32 // sequence number of the last packet (13.6)
	in       window // of those that came
	sequence byte   // of the last message (13.8)
}

var _ asker = (*session)(nil)

// replyPatience is how long the answer to a command is waited for that may
// not be sent twice. A BMC may wait for the power to follow before it
// answers, which takes seconds; what has not come by then is lost.
const replyPatience = 10 * time.Second

// busyWait is before a command is asked again that met a busy node, the first
// time.
const busyWait = 50 * time.Millisecond

const codeBusy = 0xc0 // node busy (table 5-2)

// Session commands (22.18, 22.19).
const (
	cmdSetPrivilege = 0x3b
	cmdClose        = 0x3c
)

// ask is asker. Each time it is a new command with new sequence numbers, since
// a BMC drops the same packet twice; the reply to any of them will do.
func (s *session) ask(ctx context.Context, c command) ([]byte, error) {
	var busy *failure
	asked := request{command: c}
	pause := busyWait
	for wait := s.line.pace.first(remaining(ctx, s.clock)); ; {
		r, err := s.exchange(ctx, &asked, wait)
		switch {
		case err == nil && r.code == codeBusy:
			busy = refusal(c, r.code)
			s.line.yield()
			_ = s.clock.Sleep(ctx, pause) // its end is seen below
			asked.sequences, pause = 0, longer(pause)
		case err == nil:
			return result(c, r)
		case !errors.Is(err, errLost):
			return nil, err
		default:
			wait = s.line.pace.next(wait, remaining(ctx, s.clock))
		}
		if !over(ctx, s.clock) {
			continue
		}
		if busy != nil && endKind(ctx) == primitives.Timeout {
			return nil, busy
		}
		return nil, ended(ctx, "the BMC opened a session and then gave no more reply in time")
	}
}

// once sends a command exactly once. Where no reply comes, nobody knows whether
// it was carried out, and the error says so with the kind Timeout, or Canceled
// where the caller gave up. Errors are *failure.
func (s *session) once(ctx context.Context, c command) ([]byte, error) {
	return s.onceNamed(ctx, "command", c)
}

// onceNamed is once for a command that has a name in the messages.
func (s *session) onceNamed(ctx context.Context, name string, c command) ([]byte, error) {
	if over(ctx, s.clock) {
		return nil, ended(ctx, "the session took all the time; the "+name+" was not sent")
	}
	s.line.yield()
	data, err := s.single(ctx, c, replyPatience)
	if err == nil || refused(err) {
		return data, err
	}
	unknown := ended(ctx, "the "+name+" was sent and no reply came: unknown, not repeated; read the state before another one")
	var own *failure
	if errors.As(err, &own) {
		unknown.cause = own // what came instead of a reply
	}
	return nil, unknown
}

// refused tells whether the BMC itself said that it did not carry a command
// out, or the packet was never sent.
func refused(err error) bool {
	var own *failure
	return errors.As(err, &own) && (own.code != 0 || own.unsent) && own.kind != primitives.Timeout
}

// single sends a command once and waits for its reply. The error is errLost, or
// a failure that says what the BMC or the network answered.
func (s *session) single(ctx context.Context, c command, wait time.Duration) ([]byte, error) {
	r, err := s.exchange(ctx, &request{command: c}, wait)
	if err != nil {
		return nil, err
	}
	return result(c, r)
}

// result gives the data of a reply, or what its completion code says.
func result(c command, r reply) ([]byte, error) {
	if r.code != 0 {
		return nil, refusal(c, r.code)
	}
	return r.data, nil
}

// refusal words a completion code: as the command has it, else as all do.
func refusal(c command, code byte) *failure {
	f := completionFailure(code, nil)
	if m, ok := c.codes[code]; ok {
		f = failed(m.kind, fmt.Sprintf("the BMC refused: %s (completion code %#02x)", m.words, code), nil)
	}
	f.code = code
	return f
}

// request is a command and the message sequence numbers under which it was sent.
type request struct {
	command
	sequences uint64 // a bit for each
}

func (q *request) has(sequence byte) bool { return q.sequences&(1<<sequence) != 0 }

// exchange sends a request once more and waits for the reply to it or to an
// earlier one. The error is errLost where none came in time or ctx ended, else
// a failure.
func (s *session) exchange(ctx context.Context, q *request, wait time.Duration) (reply, error) {
	s.out++
	s.sequence = (s.sequence + 1) % sequences
	alone := q.sequences == 0
	q.sequences |= 1 << s.sequence
	began := s.clock.Now()
	if err := s.line.send(s.keys.seal(s.managed, s.out, q.pack(s.sequence))); err != nil {
		return reply{}, err
	}
	for until := began.Add(wait); ; {
		got, err := s.line.await(ctx, until)
		if ctx.Err() != nil && err != nil {
			return reply{}, errLost
		}
		if err != nil {
			if errors.Is(err, errLost) {
				s.line.yield()
			}
			return reply{}, err
		}
		r, mine, err := s.read(got, q)
		if err != nil {
			return reply{}, err
		}
		if mine {
			if alone {
				s.line.pace.learn(s.clock.Now().Sub(began))
			}
			return r, nil
		}
		s.line.stray(got, s.managed)
	}
}

// read takes a datagram. What only somebody else can have sent, or what comes a
// second time, is not ours; what the BMC has proven to be its own and makes no
// sense is an error.
func (s *session) read(packet []byte, q *request) (r reply, mine bool, err error) {
	if !isRMCPPlus(packet) || sessionOf(packet) != s.line.console || !s.keys.prove(packet) || !s.in.fresh(sequenceOf(packet)) {
		return reply{}, false, nil
	}
	message, ok := s.keys.open(packet)
	if !ok {
		return reply{}, false, nonsense("a packet that cannot be decrypted", packet)
	}
	r, ok = parseReply(message)
	switch {
	case !ok:
		return reply{}, false, nonsense("a message with a wrong checksum or too short", message)
	case !q.has(r.sequence):
		return reply{}, false, nil // of an earlier command
	case !r.answers(q.command):
		return reply{}, false, nonsense("the answer to another command", message)
	}
	return r, true, nil
}

// nonsense is the failure where a BMC proves that a message is its own, and the
// message makes no sense.
func nonsense(what string, message []byte) *failure {
	return received("the BMC sent "+what+" (-v shows the bytes)", message, nil)
}

// raise sets the privilege level of the session (22.18).
func (s *session) raise(ctx context.Context, privilege types.PrivilegeLevel) error {
	above := meaning{primitives.Denied, fmt.Sprintf("the account may not have the privilege level %s on this BMC", privilege)}
	_, err := s.ask(ctx, command{
		netFn: netFnApp, number: cmdSetPrivilege,
		data:  (&app.SetSessionPrivilegeLevelRequest{PrivilegeLevel: privilege}).Pack(),
		codes: map[byte]meaning{0x80: above, 0x81: above},
	})
	return err
}

// close ends the session on the BMC, also where ctx has ended. It is false
// where the BMC did not answer: then it may hold the session until it times out.
func (s *session) close(ctx context.Context) bool {
	own, cancel := primitives.WithTimeout(context.WithoutCancel(ctx), s.clock, closePatience)
	defer cancel()
	closing := request{command: s.closing()}
	wait := s.line.pace.first(closePatience)
	for range closeTries {
		r, err := s.exchange(own, &closing, wait)
		switch {
		case err == nil && r.code == codeBusy: // it has closed nothing
			closing.sequences = 0
			_ = s.clock.Sleep(own, busyWait)
		case !errors.Is(err, errLost):
			return err == nil
		}
		wait += wait / 2
	}
	return false
}

func (s *session) closing() command {
	return command{netFn: netFnApp, number: cmdClose, data: (&app.CloseSessionRequest{SessionID: s.managed}).Pack()}
}

// end closes a session of this BMC. One whose closing was not answered is owed.
func (b *bmc) end(ctx context.Context, s *session) {
	if !s.close(ctx) {
		b.owed = s
	}
}

// settle closes once more, before a new one is opened, the session whose
// closing was not answered. Nothing is waited for: the BMC drops what belongs
// to a session that it has closed.
func (b *bmc) settle(l *line) {
	s := b.owed
	if s == nil {
		return
	}
	b.owed = nil
	closing := s.closing()
	for range 2 {
		s.out++
		s.sequence = (s.sequence + 1) % sequences
		_ = l.send(s.keys.seal(s.managed, s.out, closing.pack(s.sequence))) // as above
	}
}

// window is the sequence numbers of a session that have come (6.12.13). A BMC
// counts up from one; a number far ahead only means that much was lost.
type window struct {
	newest uint32
	seen   uint64 // bit n: newest-n has come
}

// fresh tells whether a number is new, and remembers it.
func (w *window) fresh(number uint32) bool {
	switch ahead := int64(number) - int64(w.newest); {
	case number == 0:
		return false
	case ahead > 0:
		w.seen = w.seen<<min(ahead, 64) | 1
		w.newest = number
		return true
	case ahead <= -64:
		return false
	default:
		bit := uint64(1) << -ahead
		known := w.seen&bit != 0
		w.seen |= bit
		return !known
	}
}
