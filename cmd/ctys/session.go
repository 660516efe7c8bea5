package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"ctys/cmd/ctys/form"
	"ctys/cmd/ctys/render"
	"ctys/luabind"
	"ctys/luabind/inventory"
)

// patience is how long an interrupted run may take to stop cleanly.
const patience = 10 * time.Second

// setup is what a session is opened with.
type setup struct {
	loaded    *luabind.Loaded // the script; nil: it is loaded when it is run
	authority luabind.Authority
	path      []fs.FS
	inventory *inventory.Inventory
	site      *inventory.Site
	options   form.Options
	sources   []luabind.Source // kept in the journal beside the request
	request   any              // kept in the journal
	plan      bool
	summary   bool     // told at the end
	hints     []string // shown with a plan
}

// session is one run of one script, from the first contact to the exit code.
type session struct {
	app     *app
	setup   setup
	began   time.Time
	reader  *render.Reader
	journal *lazyJournal
	runtime *luabind.Runtime
	close   func() error
}

// open makes a session; it contacts nothing.
func (a *app) open(s setup) *session {
	began := time.Now()
	ses := &session{app: a, setup: s, began: began}
	ses.reader = render.New(ses.rendering())
	capabilities, closePowers := powers(ses)
	ses.close = closePowers
	options := luabind.Options{
		Authority: &s.authority,
		Plan:      s.plan,
		Machines:  keptMachines(),
		Inventory: s.inventory,
		Settings:  s.site.Values(),
		Path:      s.path,
		Loaded:    s.loaded,
		Yes:       s.options.Yes,
		Seed:      uint64(began.UnixNano()),
		Stdout:    printed{ses},
		Terminal:  ses.terminal(),
	}
	if !s.plan {
		ses.journal = newLazyJournal(s.options.Journal, ses.describe, a.warn)
		if a.resumed != nil {
			ses.journal.file, options.History = a.resumed.file, a.resumed.history
		}
		options.Journal = ses.journal
	}
	goOn := ses.goOn()
	options.Events = func(event luabind.Event) {
		goOn(event)
		ses.reader.Event(event)
	}
	ses.runtime = luabind.New(capabilities, options)
	return ses
}

// rendering says how the session is shown.
func (s *session) rendering() render.Options {
	return render.Options{
		Out: s.app.stdout, Err: s.app.stderr,
		JSON: s.setup.options.JSON, Format: formats[s.setup.options.Output], Verbose: s.setup.options.Verbose > 0, Plan: s.setup.plan, Hints: s.setup.hints,
		Screen: s.screen(), Start: s.began, Now: time.Now,
	}
}

// formats are those of -o beside json.
var formats = map[string]render.Format{"terse": render.Terse, "table": render.Table}

// printed is what scripts print, in the hands of the reader of the moment.
type printed struct{ s *session }

func (p printed) Write(text []byte) (int, error) { return p.s.reader.Output().Write(text) }

// screen is what this run is painted on; one that is to go on by itself has
// none.
func (s *session) screen() *render.Screen {
	if s.app.second {
		return nil
	}
	return screenOf(s.app.stderr)
}

// screenOf is the terminal to paint on, if the stream is one.
func screenOf(stream io.Writer) *render.Screen {
	file, ok := stream.(*os.File)
	if !ok || !isTerminal(stream) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &render.Screen{
		Size:   func() (int, int) { return terminalSize(file) },
		Colour: os.Getenv("NO_COLOR") == "",
		ASCII:  !speaksUTF8(),
	}
}

// terminal is the person to ask, where one sits at standard input.
func (s *session) terminal() luabind.Terminal {
	in, ok := s.app.stdin.(*os.File)
	if !ok || !isTerminal(in) {
		return nil
	}
	return &desk{
		in: in, out: s.app.stderr,
		before: func() { s.reader.Suspend() },
		after:  func() { s.reader.Resume() },
	}
}

// outcome is how the work of a session ended.
type outcome struct {
	exit int
	err  error
}

// do carries the work out under the signals and the deadline of the run, and
// gives the exit code. The first Ctrl-C (or SIGTERM) stops the work, which has
// some seconds to end cleanly; the second ends the process when the journal is
// on disk.
func (s *session) do(work func(ctx context.Context) (exit int, err error)) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if limit := s.setup.options.Deadline; limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, limit, errDeadline)
		defer stop()
	}
	defer s.app.catchInterruptions()()
	signals := s.app.interruptions()
	done := make(chan outcome, 1)
	go func() {
		exit, err := work(ctx)
		done <- outcome{exit, err}
	}()
	select {
	case o := <-done:
		return s.finish(ctx, o, false)
	case <-signals:
		cancel(errInterrupted)
	}
	select {
	case o := <-done:
		return s.finish(ctx, o, true)
	case <-time.After(patience):
	case <-signals:
	}
	return s.finish(ctx, outcome{err: errInterrupted}, true)
}

// finish tells how it went and gives the exit code.
func (s *session) finish(ctx context.Context, o outcome, interrupted bool) int {
	if o.err != nil {
		s.reader.Refuse()
	}
	s.reader.Close()
	exit, err := s.verdict(ctx, o, interrupted)
	if err != nil {
		s.app.complain(readable(err, s.setup.options.Verbose))
	}
	if s.setup.summary && !s.setup.plan && !s.setup.options.JSON {
		s.reader.Summary(s.summary(exit))
	}
	s.journal.finish(exit)
	if !interrupted {
		_ = s.close()
	}
	return exit
}

// verdict is the exit code, and the error that is told. A run that did not stop
// when it was interrupted still has the runtime in its hands.
func (s *session) verdict(ctx context.Context, o outcome, interrupted bool) (int, error) {
	switch {
	case interrupted:
		return exitInterrupted, errInterrupted
	case o.err == nil:
		return afterWrites(o.exit, s.runtime.Writes()), nil
	case errors.Is(context.Cause(ctx), errDeadline):
		return exitFailed, errDeadline
	}
	return afterWrites(luabind.ExitCode(o.err), s.runtime.Writes()), o.err
}

func (s *session) summary(exit int) render.Summary {
	return render.Summary{
		Began: s.began, Ended: time.Now(), Who: account(), Request: commandLine(s.app.argv),
		Journal: s.journal.folder(), Exit: exit, Interrupted: exit == exitInterrupted,
	}
}
