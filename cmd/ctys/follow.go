package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ctys/cmd/ctys/form"
	"ctys/cmd/ctys/render"
	"ctys/luabind"
	"ctys/luabind/journal"
)

const (
	journalUsage = "usage: ctys journal [JOB]\n  what a run was asked, meant to do, did and saw; the newest where none is named, else its id or the\n  beginning of it; --json gives the journal's own lines\n"
	attachUsage  = "usage: ctys attach [JOB]\n  follows a run to its end and ends as it does; Ctrl-C leaves it running\n"
)

// journal prints what a run has left behind.
func (a *app) journal(options form.Options, argv []string) int {
	options, dir, job, code := a.whichJob(options, argv, journalUsage)
	if job == "" {
		return code
	}
	path := filepath.Join(dir, job, journal.FileName)
	if options.JSON {
		return a.copyJournal(path)
	}
	run := readKept(dir, job)
	a.headline(run)
	reader := render.New(render.Options{Out: a.stdout, Err: a.stdout, Verbose: true, Start: run.Began})
	err := journal.Scan(path, func(entry luabind.Event) { reader.Event(entry) })
	reader.Close()
	fmt.Fprintf(a.stdout, "%s\n", run.ending())
	if err != nil {
		return a.failed(err)
	}
	return exitReached
}

func (a *app) headline(run kept) {
	fmt.Fprintf(a.stdout, "%s  %s\n", run.Job, run.Request)
	fmt.Fprintf(a.stdout, "began %s UTC%s, in %s\n", run.Began.UTC().Format("2006-01-02 15:04:05"), by(run.Who), run.Folder)
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

func (a *app) copyJournal(path string) int {
	file, err := os.Open(path)
	if err != nil {
		return a.failed(err)
	}
	defer file.Close()
	if _, err := io.Copy(a.stdout, file); err != nil {
		return a.failed(err)
	}
	return exitReached
}

// attach follows a run that another process carries out. It only reads: the run
// goes on whatever happens to this one.
func (a *app) attach(options form.Options, argv []string) int {
	options, dir, job, code := a.whichJob(options, argv, attachUsage)
	if job == "" {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := readKept(dir, job)
	reader := render.New(render.Options{
		Out: a.stdout, Err: a.stderr, JSON: options.JSON, Format: formats[options.Output], Verbose: options.Verbose > 0,
		Screen: screenOf(a.stderr), Start: run.Began,
	})
	end, err := followJob(ctx, dir, job, func(event luabind.Event) { reader.Event(event) })
	reader.Close()
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(a.stderr, "ctys: run %s goes on; ctys attach %s follows it again\n", job, job)
		return exitInterrupted
	case err != nil:
		return a.failed(err)
	case end == nil:
		fmt.Fprintf(a.stderr, "ctys: run %s: %s\n", job, readKept(dir, job).ending())
		return exitFailed
	}
	return *exitCode(*end)
}

// goneAfter is how often it is looked whether a run that says nothing is still
// there: a process that was killed writes no end.
const goneAfter = time.Second

// followJob gives a run's events from the first on, and its end; nil for a run
// that was cut short.
func followJob(ctx context.Context, dir, job string, tell func(luabind.Event)) (*luabind.Event, error) {
	over, gone := context.WithCancel(ctx)
	defer gone()
	go func() {
		defer gone()
		for over.Err() == nil {
			if running, err := journal.Running(dir, job); err != nil || !running {
				return
			}
			_ = clock.Sleep(over, goneAfter)
		}
	}()
	var end *luabind.Event
	err := journal.FollowUntil(ctx, over, filepath.Join(dir, job, journal.FileName), 1, func(event luabind.Event) {
		if event.Kind == luabind.KindEnd {
			end = &event
		}
		tell(event)
	})
	return end, err
}

// whichJob reads a command line that names a run; an empty job comes with the
// exit code.
func (a *app) whichJob(options form.Options, argv []string, usage string) (form.Options, string, string, int) {
	own, words, err := form.General(argv, none)
	if err != nil {
		return options, "", "", a.refuse(err)
	}
	options = options.Merge(own)
	switch {
	case options.Help:
		return options, "", "", a.usageOf(true, usage)
	case len(words) > 1:
		return options, "", "", a.usageOf(false, usage)
	}
	dir, err := readableJournals(options.Journal)
	if err != nil {
		return options, "", "", a.failed(err)
	}
	word := ""
	if len(words) == 1 {
		word = words[0]
	}
	job, err := findJob(dir, word)
	if err != nil {
		return options, "", "", a.failed(err)
	}
	return options, dir, job, exitReached
}
