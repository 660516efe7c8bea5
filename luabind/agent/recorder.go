package agent

import (
	"context"
	"io"
	"strings"
	"sync"

	"ctys/luabind"
	"ctys/luabind/journal"
)

// recorder keeps a job's events: on disk where there is a journal, and for the
// desk. It keeps both in one order.
type recorder struct {
	job     *job
	mu      sync.Mutex
	lease   io.Closer        // nil: this machine is not held
	journal *journal.Journal // nil: a plan, or no folder to write to
	refusal error            // why there is none, here or at the desk, although one is due
	last    uint64
	log     *eventLog
}

// Append is luabind.Recorder. The intent to change this machine is only taken
// where no other run has it.
func (r *recorder) Append(event luabind.Event) (uint64, error) {
	if ActsOn(r.job.order.Machine.Name, event) {
		if err := r.hold(context.Background()); err != nil {
			return 0, err
		}
	}
	return r.append(event)
}

func (r *recorder) append(event luabind.Event) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.journal != nil {
		number, err := r.journal.Append(event)
		if err != nil {
			return 0, err
		}
		r.last = number
	} else {
		r.last++
	}
	event.Seq = r.last
	r.log.add(event)
	return r.last, nil
}

// Sync is luabind.Recorder. What has to be on disk is, or is about to be, a
// change of this machine. Without a journal that is due it is not done.
func (r *recorder) Sync(ctx context.Context, number uint64) error {
	if r.refusal != nil {
		return r.refusal
	}
	if err := r.hold(ctx); err != nil || r.journal == nil {
		return err
	}
	return r.journal.Sync(ctx, number)
}

// hold keeps other runs away from this machine until the job's end. A plan
// changes nothing.
func (r *recorder) hold(ctx context.Context) error {
	r.mu.Lock()
	if r.lease != nil || r.job.order.Plan {
		r.mu.Unlock()
		return nil
	}
	lease, warning, err := r.job.host.Lease(ctx, r.job.id)
	if err == nil {
		r.lease = lease
	}
	r.mu.Unlock()
	if err == nil && warning != "" {
		r.warn(warning)
	}
	return err
}

func (r *recorder) warn(text string) {
	_, _ = r.append(luabind.Event{At: r.job.host.Clock.Now(), Kind: luabind.KindWarning, Host: r.job.order.Machine.Name, Text: text})
}

// release gives the machine free.
func (r *recorder) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease != nil {
		_ = r.lease.Close()
	}
}

// printed makes events of what a script prints.
type printed struct{ to *recorder }

func (p printed) Write(text []byte) (int, error) {
	for _, words := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if _, err := p.to.Append(luabind.Event{Kind: luabind.KindOutput, Text: words}); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}
