package sim_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// play runs fn as the only counted goroutine and waits for all that it starts.
func play(clock *sim.Clock, fn func(ctx context.Context, start func(key sim.Key, fn func(ctx context.Context)))) {
	var all sync.WaitGroup
	start := func(key sim.Key, fn func(ctx context.Context)) {
		all.Add(1)
		clock.Go(context.Background(), key, func(ctx context.Context) {
			defer all.Done()
			fn(ctx)
		})
	}
	start(nil, func(ctx context.Context) { fn(ctx, start) })
	all.Wait()
}

func TestSleepTakesNoRealTime(t *testing.T) {
	clock := sim.NewClock(epoch)
	play(clock, func(ctx context.Context, _ func(sim.Key, func(context.Context))) {
		for range 24 {
			if err := clock.Sleep(ctx, time.Hour); err != nil {
				t.Error(err)
			}
		}
	})
	if got := clock.Elapsed(); got != 24*time.Hour {
		t.Errorf("elapsed %s", got)
	}
}

func TestOrderWithinAnInstant(t *testing.T) {
	clock := sim.NewClock(epoch)
	var log []string
	note := func(text string) { log = append(log, text) }
	play(clock, func(ctx context.Context, start func(sim.Key, func(context.Context))) {
		clock.AfterFunc(time.Second, func() { note("deadline") })
		clock.At(epoch.Add(time.Second), sim.Key{2}, func() { note("world 2") })
		clock.At(epoch.Add(time.Second), sim.Key{1}, func() { note("world 1") })
		for _, key := range []sim.Key{{2}, {1, 2}, {1}, {1, 1}} {
			start(key, func(ctx context.Context) {
				_ = clock.Sleep(ctx, time.Second)
				note(fmt.Sprint(key))
			})
		}
		_ = clock.Sleep(ctx, time.Minute)
	})
	want := "world 1, world 2, [1], [1 1], [1 2], [2], deadline"
	if got := strings.Join(log, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDeadlineReachesEveryContextBelow(t *testing.T) {
	clock := sim.NewClock(epoch)
	var log []string
	play(clock, func(ctx context.Context, start func(sim.Key, func(context.Context))) {
		outer, cancel := primitives.WithTimeout(ctx, clock, 10*time.Second)
		defer cancel()
		plain, cancelPlain := context.WithCancel(sim.WithKey(outer, sim.Key{1}))
		defer cancelPlain()
		inner, cancelInner := primitives.WithTimeout(plain, clock, time.Hour)
		defer cancelInner()
		if at, _ := inner.Deadline(); !at.Equal(epoch.Add(10 * time.Second)) {
			t.Errorf("deadline %s", at)
		}
		below, cancelBelow := context.WithCancel(inner)
		defer cancelBelow()
		for i, ctx := range []context.Context{outer, plain, inner, below} {
			start(nil, func(context.Context) {
				err := clock.Sleep(sim.WithKey(ctx, sim.Key{uint32(9 - i)}), time.Minute)
				log = append(log, fmt.Sprintf("%d %v %s", i, err, clock.Elapsed()))
			})
		}
		detached := context.WithoutCancel(outer)
		if err := clock.Sleep(detached, 20*time.Second); err != nil {
			t.Errorf("detached: %v", err)
		}
		if !errors.Is(below.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(below), context.DeadlineExceeded) {
			t.Errorf("below: %v, %v", below.Err(), context.Cause(below))
		}
	})
	want := []string{
		"3 context deadline exceeded 10s", "2 context deadline exceeded 10s",
		"1 context deadline exceeded 10s", "0 context deadline exceeded 10s",
	}
	if !slices.Equal(log, want) {
		t.Errorf("got %q", log)
	}
}

func TestCancelledReleasesInOrder(t *testing.T) {
	clock := sim.NewClock(epoch)
	var log []uint32
	play(clock, func(ctx context.Context, start func(sim.Key, func(context.Context))) {
		foreign, cancel := context.WithCancel(ctx)
		nested, free := primitives.WithTimeout(foreign, clock, time.Hour)
		defer free()
		for _, n := range []uint32{3, 1, 2, 0} {
			start(nil, func(context.Context) {
				under := foreign
				if n%2 == 0 {
					under = nested
				}
				if err := clock.Sleep(sim.WithKey(under, sim.Key{n}), time.Minute); !errors.Is(err, context.Canceled) {
					t.Errorf("%d: %v", n, err)
				}
				log = append(log, n)
			})
		}
		_ = clock.Sleep(ctx, time.Second)
		cancel()
		clock.Cancelled()
	})
	if !slices.Equal(log, []uint32{0, 1, 2, 3}) || clock.Elapsed() != time.Second {
		t.Errorf("%v at %s", log, clock.Elapsed())
	}
}

func TestForeignCancelWakesWithoutHelp(t *testing.T) {
	clock := sim.NewClock(epoch)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	clock.Go(ctx, nil, func(ctx context.Context) { ended <- clock.NewWaiter(ctx).Wait() })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWaiter(t *testing.T) {
	clock := sim.NewClock(epoch)
	play(clock, func(ctx context.Context, start func(sim.Key, func(context.Context))) {
		early, late := clock.NewWaiter(ctx), clock.NewWaiter(ctx)
		early.Wake()
		early.Wake()
		if err := early.Wait(); err != nil {
			t.Error(err)
		}
		start(sim.Key{1}, func(ctx context.Context) {
			_ = clock.Sleep(ctx, 3*time.Second)
			late.Wake()
		})
		if err := late.Wait(); err != nil || clock.Elapsed() != 3*time.Second {
			t.Error(err, clock.Elapsed())
		}
		never, cancel := primitives.WithTimeout(ctx, clock, time.Second)
		defer cancel()
		if err := clock.NewWaiter(never).Wait(); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestTimeStandsStillWhereNobodyWaits(t *testing.T) {
	clock := sim.NewClock(epoch)
	ran := false
	stop := clock.At(epoch.Add(time.Hour), nil, func() { ran = true })
	play(clock, func(ctx context.Context, _ func(sim.Key, func(context.Context))) {
		_ = clock.Sleep(ctx, time.Minute)
	})
	if ran || clock.Elapsed() != time.Minute {
		t.Errorf("ran %v, elapsed %s", ran, clock.Elapsed())
	}
	stop()
}

func TestUncountedSleeperPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = sim.NewClock(epoch).Sleep(context.Background(), time.Second)
}

// crowd lets a few hundred goroutines sleep, wait for each other and be
// cancelled, and gives the order in which they did.
func crowd(seed int64, size int) string {
	clock := sim.NewClock(epoch)
	var log strings.Builder
	note := func(name string, err error) {
		fmt.Fprintf(&log, "%s %s %v\n", clock.Elapsed(), name, err)
	}
	play(clock, func(ctx context.Context, start func(sim.Key, func(context.Context))) {
		group, cancelGroup := context.WithCancel(ctx)
		defer cancelGroup()
		defer func() { _ = clock.Sleep(ctx, time.Hour) }()
		waiters := make([]*sim.Waiter, size)
		for i := range size {
			waiters[i] = clock.NewWaiter(sim.WithKey(group, sim.Key{uint32(i)}))
		}
		for i := range size {
			start(nil, func(context.Context) {
				random := rand.New(rand.NewSource(seed + int64(i)))
				name := fmt.Sprint(i)
				ctx := sim.WithKey(group, sim.Key{uint32(i)})
				_ = clock.Sleep(ctx, 0) // from here on one at a time
				ctx, cancel := primitives.WithTimeout(ctx, clock, time.Duration(random.Intn(50))*time.Second)
				defer cancel()
				for range 3 {
					note(name, clock.Sleep(ctx, time.Duration(random.Intn(20)-2)*time.Second))
				}
				switch random.Intn(40) {
				case 0:
					cancelGroup()
					clock.Cancelled()
				case 1, 2, 3:
					note(name+" waited", waiters[i].Wait())
				}
				waiters[random.Intn(size)].Wake()
			})
		}
	})
	return log.String()
}

var runs = flag.Int("runs", 60, "how often TestSameSeedSameOrder plays its crowd; 1000 for a thorough look")

func TestSameSeedSameOrder(t *testing.T) {
	for seed := range int64(4) {
		want := crowd(seed, 300)
		for range *runs / 4 {
			if got := crowd(seed, 300); got != want {
				t.Fatalf("seed %d: two orders:\n%s", seed, firstDifference(want, got))
			}
		}
	}
}

func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return fmt.Sprintf("line %d: %q and %q", i, left[i], right[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(left), len(right))
}

func TestManySleepersWithDeadlines(t *testing.T) {
	before := runtime.NumGoroutine()
	clock := sim.NewClock(epoch)
	const many = 10_000
	expired := 0
	play(clock, func(ctx context.Context, start func(sim.Key, func(context.Context))) {
		whole, cancel := primitives.WithTimeout(ctx, clock, 24*time.Hour)
		defer func() { _ = clock.Sleep(ctx, time.Minute); cancel() }()
		for i := range many {
			start(nil, func(context.Context) {
				own, cancel := primitives.WithTimeout(sim.WithKey(whole, sim.Key{uint32(i)}), clock, time.Duration(i%100+1)*time.Second)
				defer cancel()
				if errors.Is(clock.Sleep(own, 50*time.Second), context.DeadlineExceeded) {
					expired++
				}
			})
		}
	})
	if expired != many*49/100 {
		t.Errorf("%d expired", expired)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Logf("goroutines: %d before, %d after", before, runtime.NumGoroutine())
}
