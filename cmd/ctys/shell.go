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
	"ctys/cmd/ctys/repl"
	"ctys/luabind"
)

// repl runs chunks of Lua as they are typed, with all powers.
func (a *app) repl(options form.Options, argv []string) int {
	own, words, err := form.General(argv, none)
	if err != nil {
		return a.refuse(err)
	}
	options = options.Merge(own)
	if options.Help || len(words) > 0 {
		return a.usageOf(options.Help, "usage: ctys repl\n")
	}
	machines, site, err := loadSite(options.Inventory)
	if err != nil {
		return a.refuse(err)
	}
	ses := a.open(setup{
		authority: luabind.Everything, path: searchPath(), inventory: machines, site: site, options: options, plan: options.Plan,
	})
	editor, closeEditor := a.editor()
	loop := &repl.Session{Editor: editor, Out: a.stdout, Err: a.stderr, Run: ses.chunkOf}
	exit := untilTerminated(loop.Loop)
	closeEditor()
	ses.journal.finish(exit)
	if exit == exitReached {
		_ = ses.close()
	}
	return exit
}

// untilTerminated runs the loop to its end, or until SIGTERM or a Ctrl-C that
// the loop could not stop for.
func untilTerminated(loop func() bool) int {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	defer signal.Stop(terminated)
	ended := make(chan bool, 1)
	go func() { ended <- loop() }()
	select {
	case well := <-ended:
		if !well {
			return exitInterrupted
		}
		return exitReached
	case <-terminated:
		return exitInterrupted
	}
}

// editor is the terminal, or the stream that stands in its place.
func (a *app) editor() (repl.Editor, func()) {
	if !isTerminal(a.stdin) || !isTerminal(a.stdout) {
		return repl.NewLines(a.stdin), func() {}
	}
	fmt.Fprintf(a.stdout, "ctys %s. help() lists what there is, help(\"wol.send\") tells more; Ctrl-D ends.\n", version)
	terminal := repl.NewTerminal(historyFile())
	return terminal, func() {
		io.WriteString(a.stdout, "\n")
		if err := terminal.Close(); err != nil {
			a.warn("the history was not kept: " + err.Error())
		}
	}
}

// historyFile is where the lines typed are kept; a relative $XDG_STATE_HOME is
// ignored, as the XDG Base Directory Specification demands.
func historyFile() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ctys", "history")
	}
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "ctys", "history")
	}
	return ""
}

// chunkOf runs one chunk of a REPL. Each has steps and times of its own.
func (s *session) chunkOf(ctx context.Context, text string) ([]string, error) {
	s.began = time.Now()
	s.reader = render.New(s.rendering())
	if limit := s.setup.options.Deadline; limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, limit, errDeadline)
		defer stop()
	}
	result, err := s.runtime.Run(ctx, luabind.Script{Name: repl.ChunkName, Source: text})
	s.reader.Close()
	values := make([]string, len(result.Values))
	for i, value := range result.Values {
		values[i] = luabind.Format(value)
	}
	return values, err
}
