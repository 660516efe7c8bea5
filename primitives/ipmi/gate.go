package ipmi

import (
	"context"
	"sync"
)

// gate bounds how many BMCs are waited for at once. Without it the replies to
// thousands of first packets come in one burst, overflow the sockets, and are
// sent and worked out again. A BMC that lets a reply wait does not hold its
// place: dead ones must not hold up the others.
type gate chan struct{}

// atOnce is how many calls may wait for a first reply: few enough that all
// their replies fit into a socket's buffer, enough to keep a processor busy.
const atOnce = 256

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
