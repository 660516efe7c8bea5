package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"time"

	"ctys/primitives"
)

// call is one operation of a view.
type call struct {
	power, verb string
	object      string   // for the log
	about       []string // machines whose faults concern it
}

func (c call) op() string { return c.power + "." + c.verb }

func (c call) errorf(kind primitives.Kind, format string, args ...any) error {
	return primitives.Errorf(kind, c.op(), c.object, format, args...)
}

// do carries out a call: it takes its time and then acts.
func (v *View) do(ctx context.Context, c call, effect func() (string, error)) error {
	w := v.world
	if err := w.time.Sleep(ctx, w.latency(ctx, c)); err != nil {
		return primitives.Wrap(c.op(), c.object, "given up on the way", err)
	}
	return v.act(ctx, c, effect)
}

// act is a call that has arrived. Under the world's lock the faults are looked
// at, effect changes the world and the log is written. effect gives the answer
// in words for the log. The caller was just released by the clock.
func (v *View) act(ctx context.Context, c call, effect func() (string, error)) error {
	w := v.world
	var err error
	silent := false
	w.locked(func() {
		var answer string
		answer, silent, err = v.attempt(c, effect)
		w.note(Entry{By: v.name(), Call: c.op(), Object: c.object, Result: answer})
	})
	if silent {
		return w.endure(ctx, c, errors.Is(err, errReplyLost))
	}
	return err
}

var errReplyLost = errors.New("the reply was lost")

func (v *View) attempt(c call, effect func() (string, error)) (answer string, silent bool, err error) {
	if v.machine != nil && !v.machine.runs() {
		err = c.errorf(primitives.Unreachable, "%s, from which this is tried, is not running", v.machine.Name)
		return err.Error(), false, err
	}
	if v.age != v.world.age {
		err = c.errorf(primitives.Canceled, "who tries this was killed before")
		return err.Error(), false, err
	}
	f := v.world.faultOf(c)
	switch {
	case f == nil:
		answer, err = effect()
	case f.LoseReply:
		if answer, err = effect(); err == nil {
			return answer + " (reply lost)", true, errReplyLost
		}
	case f.Hang:
		return "no answer", true, nil
	default:
		err = c.faultError(f)
	}
	if err != nil {
		answer = err.Error()
	}
	if errors.Is(err, errNoAnswer) {
		return "no answer", true, nil
	}
	return answer, false, err
}

// errNoAnswer is returned by an effect whose peer is there and says nothing.
var errNoAnswer = errors.New("no answer")

func (c call) faultError(f *fault) error {
	kind, message := f.Kind, f.Message
	if kind == "" {
		kind = primitives.Unreachable
	}
	if message == "" {
		message = "made to fail"
	}
	return c.errorf(kind, "%s", message)
}

// endure waits for an answer that never comes.
func (w *World) endure(ctx context.Context, c call, bounded bool) error {
	if !bounded {
		err := w.time.waiter(ctx).Wait()
		return primitives.Wrap(c.op(), c.object, "no answer", err)
	}
	if err := w.time.Sleep(ctx, w.Patience); err != nil {
		return primitives.Wrap(c.op(), c.object, "no answer to the request; whether it was carried out is not known", err)
	}
	return c.errorf(primitives.Timeout, "no answer within %s; whether it was carried out is not known", w.Patience)
}

// latency is drawn from the seed, who calls, what and when, so that callers
// that run at the same time draw the same in every run.
func (w *World) latency(ctx context.Context, c call) time.Duration {
	if w.Jitter <= 0 {
		return w.Latency
	}
	draw := w.draw(KeyOf(ctx), c)
	return max(0, w.Latency-w.Jitter+time.Duration(draw%uint64(2*w.Jitter+1)))
}

// draw hashes (FNV-1a) what tells this call from every other of the run. Each
// call needs one, so it is cheaper than digest.
func (w *World) draw(key Key, c call) uint64 {
	text := binary.BigEndian.AppendUint64(make([]byte, 0, 128), uint64(w.seed))
	text = binary.BigEndian.AppendUint64(text, uint64(w.elapsed()))
	for _, part := range key {
		text = binary.BigEndian.AppendUint32(text, part)
	}
	for _, word := range []string{c.power, c.verb, c.object} {
		text = append(append(text, 0), word...)
	}
	hash := fnv.New64a()
	hash.Write(text)
	return hash.Sum64()
}
