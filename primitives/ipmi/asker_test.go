package ipmi

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ctys/primitives"
)

// scriptedBMC answers commands without a session, as the test says.
type scriptedBMC struct {
	t testing.TB
	// answer gives the data and the completion code of a reply; lost: none comes.
	answer func(c command) (data []byte, code byte)

	asked    []command
	sentOnce []command // those of asked that came to be carried out once at most
}

// lost is the "completion code" of a reply that does not come. No BMC sends it.
const lost = 0x7f

func (f *scriptedBMC) ask(ctx context.Context, c command) ([]byte, error) {
	f.asked = append(f.asked, c)
	if len(f.asked) > 100000 {
		f.t.Fatal("there is no end to the commands")
	}
	if ctx.Err() != nil {
		return nil, ended(ctx, "the time is over")
	}
	data, code := f.answer(c)
	switch code {
	case 0:
		return data, nil
	case lost:
		return nil, failed(primitives.Timeout, "no reply came", nil)
	}
	return nil, refusal(c, code)
}

func (f *scriptedBMC) once(ctx context.Context, c command) ([]byte, error) {
	f.sentOnce = append(f.sentOnce, c)
	return f.ask(ctx, c)
}

// key names a command in tables of answers.
func key(c command) string { return fmt.Sprintf("%02x %02x", c.netFn, c.number) }

// fastClock passes time only where somebody sleeps.
type fastClock struct {
	primitives.SystemClock
	now time.Time
	end time.Time // contexts of the test end here
}

func newFastClock() *fastClock {
	now := time.Unix(1_800_000_000, 0)
	return &fastClock{now: now, end: now.Add(20 * time.Second)}
}

func (c *fastClock) Now() time.Time { return c.now }

func (c *fastClock) Sleep(_ context.Context, d time.Duration) error {
	if c.now = c.now.Add(d); !c.now.Before(c.end) {
		return context.DeadlineExceeded
	}
	return nil
}

func (c *fastClock) WithDeadline(ctx context.Context, _ time.Time) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// wantFailure checks the kind of an error from below a session.
func wantFailure(t *testing.T, err error, kind primitives.Kind, words ...string) {
	t.Helper()
	wantKind(t, explain("ipmi.test", "a test", err), kind, words...)
}
