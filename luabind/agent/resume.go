package agent

import (
	"context"
	"os"
	"path/filepath"

	"ctys/luabind/journal"
	"ctys/primitives"
)

// again asks for a job to be carried on although it has ended.
const again = "again"

// resume tells all that a job does and has done, for a desk that has lost its
// own process. A job whose process is gone and has left no result is carried on
// by a new one, by the order and in the journal of the first; so is one whose
// result the desk has heard, and one that has only looked: what it saw then says
// nothing about now.
func (a *agent) resume(ctx context.Context, id string, heard bool) error {
	if !journal.ValidID(id) {
		return primitives.Errorf(primitives.Invalid, "agent.resume", "", "%q is no job", id)
	}
	if err := a.greet(); err != nil {
		return err
	}
	dir, err := a.host.StateDir()
	if dir == "" {
		return a.lose(err)
	}
	if _, err := os.Stat(filepath.Join(dir, id)); err != nil {
		return a.lose(primitives.Errorf(primitives.Invalid, "agent.resume", "", "there is no job %s here: %v", id, err))
	}
	conn, err := a.reach(dir, id)
	switch {
	case err != nil:
		return a.lose(err)
	case conn != nil:
		return relay(conn, 1, a.stdin.from, a.stdout.to)
	case !heard && !storedOutcome(dir, id).Vanished && hasWritten(dir, id):
		return a.recount(dir, id, 1)
	}
	if err := a.launch(ctx, a.host, dir, id); err != nil {
		return a.lose(err)
	}
	if conn, err = dialIn(filepath.Join(dir, id)); err != nil {
		return a.lose(err)
	}
	return relay(conn, 1, a.stdin.from, a.stdout.to)
}

// hasWritten tells whether a job has begun to change anything.
func hasWritten(dir, id string) bool {
	written := false
	err := journal.Scan(filepath.Join(dir, id, journal.FileName), func(entry journal.Entry) {
		written = written || entry.Kind == journal.Intent
	})
	return written || err != nil
}
