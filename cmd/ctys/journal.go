package main

import (
	"context"
	"sync"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/luabind/journal"
)

// lazyJournal is a run's journal that is made when the first entry must be on
// disk: reads and magic packets need none, and what takes power away, here or
// on another machine, has one and does not begin without it.
type lazyJournal struct {
	dir      string
	describe func(*journal.Journal) error // keeps the request beside it
	warn     func(string)

	mu      sync.Mutex
	pending []luabind.Event
	count   uint64
	file    *journal.Journal
	failed  error
	here    bool // something on this machine is about to be taken down
	lease   *journal.Lease
}

// maxPending bounds what is held in memory before a journal is made: more than
// one result of each machine that a request may name, since reads need none.
const maxPending = 110_000

func newLazyJournal(dir string, describe func(*journal.Journal) error, warn func(string)) *lazyJournal {
	return &lazyJournal{dir: dir, describe: describe, warn: warn}
}

// Append takes an event; without a folder to write in, events are only counted.
func (l *lazyJournal) Append(event luabind.Event) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.here = l.here || actsHere(event)
	if l.file != nil {
		return l.file.Append(event)
	}
	l.count++
	if l.failed == nil {
		l.pending = append(l.pending, event)
	}
	if event.Durable || len(l.pending) >= maxPending {
		_ = l.make()
	}
	return l.count, nil
}

// Sync makes the journal where there is none yet, takes this machine's lease
// where the run is about to take something down on it, and returns when
// everything up to number is on disk.
func (l *lazyJournal) Sync(ctx context.Context, number uint64) error {
	l.mu.Lock()
	err := l.make()
	if err == nil && l.here && l.lease == nil {
		err = l.hold(ctx)
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.file.Sync(ctx, number)
}

// Usable is luabind.Tried: what another machine is to do is asked for before
// there is an entry to be kept.
func (l *lazyJournal) Usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil || l.failed != nil {
		return l.failed
	}
	dir, err := journalDir(l.dir)
	if err == nil {
		err = journal.Try(dir)
	}
	if err != nil {
		l.fail(err)
	}
	return l.failed
}

// open makes the journal though nothing must be on disk yet, and gives the
// run's id.
func (l *lazyJournal) open() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.make(); err != nil {
		return "", err
	}
	return l.file.Job(), nil
}

// fail notes that there will be no journal; l.mu is held.
func (l *lazyJournal) fail(err error) {
	l.failed = &luabind.Error{Kind: luabind.Denied, Op: "journal", Message: "no journal can be written", Cause: err}
	l.pending = nil
	l.warn("no journal can be written, so what takes power away is refused: " + err.Error())
}

// actsHere tells whether an event is the intent to change this machine. What an
// agent tells has its machine's name, and is held by a lease there.
func actsHere(event luabind.Event) bool { return agent.ActsOn("", event) }

// hold keeps other runs away from this machine until the end; l.mu is held.
func (l *lazyJournal) hold(ctx context.Context) error {
	dir, shared, err := journal.LeaseDir()
	if err != nil {
		return err
	}
	if !shared {
		l.warn("runs of other accounts on this machine are not seen: the leases are in " + dir)
	}
	l.lease, err = journal.Acquire(ctx, clock, dir, agent.ThisMachine, l.file.Job())
	return err
}

// make opens the journal once; l.mu is held.
func (l *lazyJournal) make() error {
	if l.file != nil || l.failed != nil {
		return l.failed
	}
	file, err := l.create()
	if err != nil {
		l.fail(err)
		return l.failed
	}
	for _, event := range l.pending {
		if _, err = file.Append(event); err != nil {
			l.failed = err
			break
		}
	}
	l.file, l.pending = file, nil
	return l.failed
}

func (l *lazyJournal) create() (*journal.Journal, error) {
	dir, err := journalDir(l.dir)
	if err != nil {
		return nil, err
	}
	job, err := journal.NewID(clock.Now(), nil)
	if err != nil {
		return nil, err
	}
	file, err := journal.Create(dir, job, clock)
	if err != nil {
		return nil, err
	}
	return file, l.describe(file)
}

// folder is where the journal is; empty where there is none.
func (l *lazyJournal) folder() string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return ""
	}
	return l.file.Folder()
}

// finish writes the end of the run and puts everything on disk.
func (l *lazyJournal) finish(exit int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	_, _ = l.file.Append(luabind.Event{Kind: luabind.KindEnd, Data: map[string]any{"exit": exit}})
	if err := l.file.Close(); err != nil {
		l.warn("the journal may lack its end: " + err.Error())
	}
	if l.lease != nil {
		_ = l.lease.Close()
	}
}
