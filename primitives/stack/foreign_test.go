package stack

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ctys/primitives"
)

// shelf is a driver with one guest, each look at which takes a second.
type shelf struct {
	mu    sync.Mutex
	looks int
	asked []string
	state State
	fail  error
}

func (s *shelf) List(ctx context.Context, op string) ([]Listed, error) {
	if err := (primitives.SystemClock{}).Sleep(ctx, time.Second); err != nil {
		return nil, primitives.Wrap(op, "", "", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	guest := Guest{Ref: Ref{URI: "shelf:///system", UUID: NameUUID("shelf:///system", "a")}, Name: "a", State: s.state}
	return []Listed{{Guest: guest, Native: "number 1"}}, s.fail
}

func (s *shelf) Ask(_ context.Context, _ string, guest Listed, verb string, mode Mode) error {
	s.asked = append(s.asked, verb+" "+string(mode)+" "+guest.Native.(string))
	return nil
}

func shelfClient(s *shelf) *Client {
	return New(Options{Drivers: func(_ context.Context, name string) (Driver, error) {
		if name != "shelf" {
			return nil, nil
		}
		return s, nil
	}})
}

var onShelf = Ref{URI: "shelf:///system", UUID: NameUUID("shelf:///system", "a")}

// Those who ask while somebody looks share the next look: two for any number.
func TestForeignLooksAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{state: Running}
		c := shelfClient(s)
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				if guest, err := c.Inspect(t.Context(), onShelf); err != nil || guest.State != Running {
					t.Errorf("%+v, %v", guest, err)
				}
			})
		}
		asking.Wait()
		if s.looks > 2 {
			t.Errorf("50 who asked at once: %d looks", s.looks)
		}
	})
}

// One who gives up takes nobody with it.
func TestForeignLookIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shelfClient(&shelf{state: Running})
		hasty, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, err := c.Inspect(hasty, onShelf); primitives.KindOf(err) != primitives.Timeout {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 3 {
			asking.Go(func() {
				if guest, err := c.Inspect(t.Context(), onShelf); err != nil || guest.State != Running {
					t.Errorf("%+v, %v", guest, err)
				}
			})
		}
		asking.Wait()
	})
}

func TestForeignAwaitsAndAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{state: Running}
		c := shelfClient(s)
		go func() {
			time.Sleep(5 * time.Second)
			s.mu.Lock()
			s.state = Off
			s.mu.Unlock()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if guest, err := c.Await(ctx, onShelf, Off); err != nil || guest.State != Off {
			t.Errorf("%+v, %v", guest, err)
		}
		if err := c.Shutdown(ctx, onShelf, ModeSignal); err != nil {
			t.Error(err)
		}
		if err := c.ManagedSave(ctx, onShelf); err != nil {
			t.Error(err)
		}
		if got := strings.Join(s.asked, ", "); got != "shutdown signal number 1, managed-save  number 1" {
			t.Errorf("asked %s", got)
		}
	})
}

// A tool that fails is a hypervisor that is silent, not one whose guests are off.
func TestForeignThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{state: Off, fail: primitives.Errorf(primitives.Internal, "stack.list", "shelf:///system", "nonsense")}
		c := shelfClient(s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		guest, err := c.Await(ctx, onShelf, Off)
		if primitives.KindOf(err) != primitives.Unreachable || guest.State != Unknown {
			t.Errorf("%+v, %v", guest, err)
		}
	})
}

func TestNameUUID(t *testing.T) {
	// what other programs make of that name in that namespace (uuidgen --sha1 --namespace @url)
	if got, want := NameUUID("podman:///system", "web"), "43595a7a-ab86-52ec-95cb-496d8fc21a79"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
