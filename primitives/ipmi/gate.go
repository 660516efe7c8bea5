package ipmi

import (
	"context"
	"sync"
)

// gate bounds how many calls do something at once.
type gate chan struct{}

// atOnce is how many calls may wait for the replies of their BMCs: few enough
// that all these fit into a socket's buffer, enough to keep a processor busy.
// Without a bound the replies to thousands of first packets come in one burst,
// overflow the sockets, and are sent and worked out again. A call whose BMC lets
// a reply wait gives its place up: dead ones must not hold up the others.
const atOnce = 256

// lookupsAtOnce is how many names are looked up at a time, each of which may
// take a socket.
const lookupsAtOnce = 32

// enter waits for a place. The function gives it back and may be called
// several times.
func (g gate) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g <- struct{}{}:
		var once sync.Once
		return func() { once.Do(func() { <-g }) }, nil
	case <-ctx.Done():
		return nil, ended(ctx, "the time was over before this BMC's turn came; nothing was sent")
	}
}
