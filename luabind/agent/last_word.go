package agent

import (
	"context"
	"time"

	"ctys/luabind"
	"ctys/primitives/shutdown"
)

// lastWord lets the desk hear that the machine is about to go down before it
// does: afterwards there is no line to say it on, and silence means nothing.
type lastWord struct {
	luabind.Shutdown
	job *job
}

// lastWordWait is how long a desk that is there may take to confirm it.
const lastWordWait = 3 * time.Second

// Do is luabind.Shutdown.
func (s lastWord) Do(ctx context.Context, request shutdown.Request) (shutdown.Accepted, error) {
	if s.job.hub.isAttached() {
		s.job.hub.awaitReceipt(ctx, s.job.log.last(), lastWordWait)
	}
	return s.Shutdown.Do(ctx, request)
}
