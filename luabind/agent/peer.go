package agent

import (
	"context"
	"io"
	"sync"
	"time"
)

// The desk gives a sign of life on a silent line, and a line without one is
// cut: sshd on this machine may not notice for hours that its peer is gone.
const (
	aliveEvery = 5 * time.Second
	deadAfter  = 20 * time.Second
)

// peer is one desk on one line.
type peer struct {
	from   *lineReader
	to     *lineWriter
	close  func()
	outbox chan line
	gone   chan struct{}
	once   sync.Once
	done   chan struct{} // closed when the desk has said that it has the result
	said   sync.Once
}

func newPeer(from *lineReader, to io.Writer, closeLine func()) *peer {
	return &peer{from: from, to: newLineWriter(to), close: closeLine,
		outbox: make(chan line), gone: make(chan struct{}), done: make(chan struct{})}
}

// cut ends the line.
func (p *peer) cut() {
	p.once.Do(func() {
		close(p.gone)
		p.close()
	})
}

// post hands a message to the one who writes.
func (p *peer) post(ctx context.Context, message line) {
	select {
	case p.outbox <- message:
	case <-p.gone:
	case <-ctx.Done():
	}
}

// serve tells a desk everything behind the events below from, and does what it
// says, until the line is cut or the desk has the result.
func (j *job) serve(p *peer, from uint64) {
	j.hub.connected(p)
	defer j.hub.lost(p)
	defer p.cut()
	go j.listen(p)
	if from > 1 {
		j.hub.confirmed(from - 1)
	}
	if j.tell(p, from) {
		select {
		case <-p.done:
			j.deliver()
		case <-p.gone:
		}
	}
}

// tell writes events as they come, and the result in the end; false where the
// line was cut before.
func (j *job) tell(p *peer, from uint64) bool {
	for skip := 0; ; {
		ended := j.hasEnded() // before looking for events, so that none is missed
		events, more := j.log.after(skip)
		for _, event := range events {
			if event.Seq >= from && sendEvent(p.to, event, asEvent) != nil {
				return false
			}
		}
		skip += len(events)
		if ended {
			return p.to.send(line{Result: &j.outcome}) == nil
		}
		select {
		case <-more:
		case <-j.ended:
		case message := <-p.outbox:
			if p.to.send(message) != nil {
				return false
			}
		case <-p.gone:
			return false
		}
	}
}

// listen does what the desk says until the line is cut.
func (j *job) listen(p *peer) {
	defer p.cut()
	for {
		message, err := j.hear(p)
		if err != nil {
			return
		}
		switch {
		case message.Answer != nil:
			j.hub.answered(p, *message.Answer)
		case message.Told != nil:
			j.hub.told(p, *message.Told)
		case message.Receipt != 0:
			j.hub.confirmed(message.Receipt)
		case message.Cancel:
			j.cancel()
		case message.Done:
			p.said.Do(func() { close(p.done) })
		case message.Alive:
		default:
			return
		}
	}
}

// hear waits for a message, and cuts a line that is silent for too long.
func (j *job) hear(p *peer) (line, error) {
	stop := j.host.Clock.AfterFunc(deadAfter, p.cut)
	defer stop()
	return p.from.next()
}
