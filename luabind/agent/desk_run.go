package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
)

const (
	opRun = "agent.run"
	// opLine is that of errors behind which an agent may go on by itself: a line
	// was cut, and there is no other way to it.
	opLine = "agent.line"

	// comeBack is how long a machine that does not answer any more is looked
	// for; downWait is the same where it has said that it goes down.
	comeBackWait = 30 * time.Second
	downWait     = 10 * time.Second
	comeBackStep = time.Second
	// fruitless is how many lines in a row may end at once without a word.
	fruitless = 30
	// cancelWait is how long an agent that was told to stop may take to say how
	// that ended.
	cancelWait = 10 * time.Second
)

// LostLine is the cause of the error of an order whose agent was lost: it goes
// on by itself, and what it does is not known.
type LostLine struct {
	Job     string // empty where it is not known whether the order has arrived
	LastSeq uint64 // of the last event that was heard
	Last    luabind.Event
	// Down tells that the agent had announced to take its machine down.
	Down bool
}

// Error says what was heard last.
func (l *LostLine) Error() string {
	if l.Job == "" {
		return "whether the agent there has begun is not known"
	}
	words := fmt.Sprintf("the agent there goes on by itself as job %s", l.Job)
	if l.LastSeq > 0 {
		words += fmt.Sprintf("; last heard: event %d, %s %s%s", l.LastSeq, l.Last.Kind, l.Last.Op, l.Last.Text)
	}
	return words
}

// session is one order that is carried out elsewhere.
type session struct {
	desk    *Desk
	order   luabind.Order
	events  func(luabind.Event)
	shipped *inventory.Inventory // what of the inventory the agent knows, and may ask for
	depth   int

	job  string
	last luabind.Event

	heard   bool // a word on the line that there is
	useless int  // lines before it that had none

	down     bool // it is about to take its machine down
	accepted bool // and its system has taken that request
	receipt  bool // and the agent has our receipt
	unkept   bool // what it asked to be kept could not be, so there is none
	downAt   time.Time
	report   map[string]any // what the agent has reported for the case that it is gone before its result
}

// Run is luabind.Relocator: it carries an order out on its machine and tells
// its events, each once and in order. Where the line is cut it comes back and
// goes on; where it cannot, because the machine has gone down as the agent had
// announced, the result is the table
//
//	{lost = true, down = true, accepted = …, receipt = …, at = seconds, last = number of the last event}
//
// together with what the script gave to journal.receipt as its report,
// and in any other case the error is of kind Unreachable with a *LostLine as
// cause. The end of ctx tells the agent to stop, and waits for it shortly.
func (d *Desk) Run(ctx context.Context, order luabind.Order, events func(luabind.Event)) (any, error) {
	return d.runAt(ctx, order, events, 0)
}

// maxDepth bounds orders that agents ask for while they carry one out.
const maxDepth = 16

func (d *Desk) runAt(ctx context.Context, order luabind.Order, events func(luabind.Event), depth int) (any, error) {
	if depth > maxDepth {
		return nil, primitives.Errorf(primitives.Invalid, opRun, order.Machine.Name, "the guests carry each other in a circle")
	}
	shipped := inventory.Empty()
	if order.Inventory != "" {
		var err error
		if shipped, err = inventory.Parse("machines.lua", []byte(order.Inventory)); err != nil {
			return nil, err
		}
	}
	s := &session{desk: d, order: order, events: events, shipped: shipped, depth: depth}
	return s.run(ctx)
}

func (s *session) host() string { return s.order.Machine.Name }

func (s *session) run(ctx context.Context) (any, error) {
	c, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	for {
		began := s.desk.clock.Now()
		s.heard = false
		result, err := s.converse(ctx, c)
		if result != nil && ctx.Err() != nil {
			return result.Value, failed(result.Error, opRun, s.host())
		}
		if result != nil && s.isForgotten(result) {
			if s.order.Once {
				return nil, primitives.Errorf(primitives.Unreachable, opRun, s.host(),
					"unknown, not repeated: job %s, which had begun what must not be done twice, is not known there any more; look yourself", s.job)
			}
			s.job = ""
			if c, err = s.start(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if result != nil {
			return s.conclude(result)
		}
		if ctx.Err() != nil {
			return nil, primitives.Wrap(opRun, s.host(), "the agent was told to stop; whether it did is not known", context.Cause(ctx))
		}
		if s.job == "" {
			return nil, s.lost(err)
		}
		if s.isFutile(ctx, s.desk.clock.Now().Sub(began)) {
			return s.giveUp(ctx, err)
		}
		if c, err = s.comeBack(ctx); err != nil {
			return s.giveUp(ctx, err)
		}
	}
}

func (s *session) conclude(result *outcome) (any, error) {
	if s.down && (result.Vanished || result.Error != nil && result.Error.Kind == string(primitives.Canceled)) {
		return s.wentDown(), nil
	}
	if result.Vanished {
		return nil, s.lost(failed(result.Error, opRun, s.host()))
	}
	if s.job != "" {
		s.note(true)
	}
	return result.Value, failed(result.Error, opRun, s.host())
}

func (s *session) giveUp(ctx context.Context, err error) (any, error) {
	if ctx.Err() != nil {
		return nil, primitives.Wrap(opRun, s.host(), "the line was cut, and coming back was given up; the agent goes on", context.Cause(ctx))
	}
	if s.down {
		return s.wentDown(), nil
	}
	return nil, s.lost(err)
}

func (s *session) wentDown() map[string]any {
	result := map[string]any{
		"lost": true, "down": true, "accepted": s.accepted, "receipt": s.receipt,
		"at": float64(s.downAt.UnixMilli()) / 1000, "last": float64(s.last.Seq),
	}
	for key, value := range s.report {
		if _, ours := result[key]; !ours {
			result[key] = value
		}
	}
	return result
}

func (s *session) lost(why error) error {
	message := "the line was cut"
	if why != nil {
		message += " (" + why.Error() + ")"
	}
	return &primitives.Error{Kind: primitives.Unreachable, Op: opLine, Host: s.host(), Message: message,
		Cause: &LostLine{Job: s.job, LastSeq: s.last.Seq, Last: s.last, Down: s.down}}
}

// isFutile tells that coming back leads nowhere: the machine answers, and what
// answers for the job there ends at once, again and again. It waits between two
// such lines.
func (s *session) isFutile(ctx context.Context, lasted time.Duration) bool {
	if s.heard || lasted > comeBackWait {
		s.useless = 0
		return false
	}
	s.useless++
	return s.useless > fruitless || s.useless > 1 && s.desk.clock.Sleep(ctx, comeBackStep) != nil
}

// comeBack connects again and has the agent go on behind the last event. It
// tries for as long as the machine answers, and shortly where it does not.
func (s *session) comeBack(ctx context.Context) (*channel, error) {
	patience := comeBackWait
	if s.down {
		patience = downWait
	}
	limited, cancel := primitives.WithTimeout(ctx, s.desk.clock, patience)
	defer cancel()
	for {
		c, err := s.desk.open(limited, s.order.Machine, "attach", s.job, strconv.FormatUint(s.last.Seq+1, 10))
		if err == nil {
			return c, nil
		}
		kind := primitives.KindOf(err)
		if s.desk.isClosed() || kind != primitives.Unreachable && kind != primitives.Timeout && kind != primitives.Canceled {
			return nil, err
		}
		if s.desk.clock.Sleep(limited, comeBackStep) != nil {
			return nil, err
		}
	}
}

// converse hears an agent until it has a result or the line is cut. The end of
// ctx has the agent told to stop.
func (s *session) converse(ctx context.Context, c *channel) (*outcome, error) {
	asks, endAsks := context.WithCancelCause(ctx)
	answers := &answering{session: s, to: c.to, ctx: asks, running: map[uint64]context.CancelFunc{}}
	defer answers.wait.Wait()
	defer c.close() // before waiting, since an answer may be stuck on the line
	over, end := context.WithCancel(context.Background())
	defer end()
	defer context.AfterFunc(ctx, func() { s.stop(context.Cause(ctx), over, c) })()
	go s.beat(over, c)
	for {
		message, err := c.from.next()
		if err != nil {
			endAsks(errAbandoned)
			return nil, s.why(c, err)
		}
		switch {
		case message.Job != "" && s.job == "":
			s.begun(message.Job)
		case message.Event != nil:
			s.heard = s.heard || message.Event.Seq > s.last.Seq
			s.take(*message.Event, c)
		case message.Ask != nil:
			s.heard = true
			answers.begin(*message.Ask)
		case message.Forget != 0:
			answers.forget(message.Forget)
		case message.Result != nil:
			endAsks(nil)
			if c.to.send(line{Done: true}) == nil {
				c.finish(s.desk.clock)
			}
			return message.Result, nil
		default:
			endAsks(errAbandoned)
			return nil, primitives.Errorf(primitives.Internal, opRun, s.host(), "the agent does not keep to the protocol")
		}
	}
}

// errAbandoned ends a nested run at the desk, whose line is of no use when that
// of the agent that has asked for it is cut: both agents go on by themselves.
var errAbandoned = errors.New("the line of the agent that has asked was cut")

// stop has the agent stop, and waits shortly for what it says to that.
func (s *session) stop(why error, over context.Context, c *channel) {
	if !errors.Is(why, errAbandoned) {
		_ = c.to.send(line{Cancel: true})
		_ = s.desk.clock.Sleep(over, cancelWait)
	}
	c.close()
}

func (s *session) why(c *channel, err error) error {
	if said := oneLine(c.words.String()); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// beat keeps the agent from taking a silent line for one that is cut.
func (s *session) beat(ctx context.Context, c *channel) {
	for s.desk.clock.Sleep(ctx, aliveEvery) == nil {
		if c.to.send(line{Alive: true}) != nil {
			return
		}
	}
}

// answering carries out what an agent asks, each on its own goroutine.
type answering struct {
	session *session
	to      *lineWriter
	ctx     context.Context
	wait    sync.WaitGroup

	mu      sync.Mutex
	running map[uint64]context.CancelFunc
}

// maxAsks bounds what one agent may ask at once.
const maxAsks = 4096

func (a *answering) begin(question ask) {
	ctx, cancel := context.WithCancel(a.ctx)
	if !a.admit(question.ID, cancel) {
		cancel()
		a.reply(question.ID, nil, primitives.Errorf(primitives.Denied, "agent.ask", a.session.host(), "too many questions at once"))
		return
	}
	a.wait.Add(1)
	go func() {
		defer a.wait.Done()
		defer cancel()
		value, err := a.session.answer(ctx, question, func(event luabind.Event) {
			_ = sendEvent(a.to, event, func(event *luabind.Event) line { return line{Told: &told{ID: question.ID, Event: *event}} })
		})
		a.forget(question.ID)
		a.reply(question.ID, value, err)
	}()
}

func (a *answering) admit(id uint64, cancel context.CancelFunc) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, twice := a.running[id]; twice || len(a.running) >= maxAsks {
		return false
	}
	a.running[id] = cancel
	return true
}

func (a *answering) reply(id uint64, value any, err error) {
	if a.to.send(line{Answer: &answer{ID: id, Value: value, Error: failureOf(err)}}) == errTooLong {
		err = primitives.Errorf(primitives.Invalid, "agent.ask", a.session.host(), "the answer is too long")
		_ = a.to.send(line{Answer: &answer{ID: id, Error: failureOf(err)}})
	}
}

func (a *answering) forget(id uint64) {
	a.mu.Lock()
	cancel := a.running[id]
	delete(a.running, id)
	a.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}
