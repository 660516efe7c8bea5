package ipmi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// The pauses before a command is asked again that was answered with "node
// busy": short at first, since a BMC is often busy for milliseconds.
const (
	firstPause = 50 * time.Millisecond
	mostPause  = time.Second
)

// codeBusy is "node busy" (5.2): the command was not carried out.
const codeBusy = 0xc0

// ask carries a command that may be carried out twice.
func (s *session) ask(ctx context.Context, c command) ([]byte, error) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		var reply []byte
		err := s.repeat(ctx, func(ctx context.Context) (err error) {
			reply, err = s.send(ctx, c)
			return err
		})
		if codeOf(err) != codeBusy || remaining(ctx, s.clock) <= pause {
			return reply, err
		}
		if s.clock.Sleep(ctx, pause) != nil {
			return nil, err
		}
	}
}

// once carries a command that must not be carried out twice.
func (s *session) once(ctx context.Context, c command) ([]byte, error) {
	if over(ctx, s.clock) {
		return nil, ended(ctx, "the session took all the time; the command was not sent")
	}
	var reply []byte
	err := s.exchange(ctx, replyPatience, func(ctx context.Context) (err error) {
		reply, err = s.send(ctx, c)
		return err
	})
	if err == nil || refused(err) {
		return reply, err
	}
	return nil, ended(ctx, "the command was sent and no reply came: unknown, not repeated")
}

// send sends a command once and waits for its reply.
func (s *session) send(ctx context.Context, c command) ([]byte, error) {
	var addressing client.CommandContext
	ctx = client.WithCommandContext(ctx, addressing.WithResponderLUN(c.lun))
	reply, err := s.lib.RawCommand(ctx, types.NetFn(c.netFn), c.number, c.data, "")
	var completion *types.ResponseError
	if errors.As(err, &completion) && completion.CompletionCode() != 0 {
		return nil, refusal(c, byte(completion.CompletionCode()))
	}
	if err != nil {
		return nil, err
	}
	return reply.Response, nil
}

var _ asker = (*session)(nil)

// refusal words a completion code: as the command has it, else as all do.
func refusal(c command, code byte) *failure {
	f := completionFailure(code, nil)
	if m, ok := c.codes[code]; ok {
		f = failed(m.kind, fmt.Sprintf("the BMC refused: %s (completion code %#02x)", m.words, code), nil)
	}
	f.code = code
	return f
}

// nonsense is the failure where a BMC proves that a message is its own, and the
// message makes no sense.
func nonsense(what string, message []byte) *failure {
	return failed(primitives.Internal, "the BMC sent "+what, fmt.Errorf("received % x", message))
}
