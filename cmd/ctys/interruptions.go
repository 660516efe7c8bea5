package main

import (
	"os"
	"os/signal"
	"syscall"
)

// interruptions are the signals that ask a run to stop.
type interruptions struct {
	signals chan os.Signal
	caught  chan struct{} // closed when they are
}

// catchInterruptions begins to catch them, where nobody has yet, beside what the
// caller goes on with: it takes Go as long as loading a script does. The function
// ends that, and does not wait for it: what comes next is the program's end.
func (a *app) catchInterruptions() (release func()) {
	if a.interrupted != nil {
		return func() {}
	}
	i := &interruptions{signals: make(chan os.Signal, 2), caught: make(chan struct{})}
	a.interrupted = i
	go func() {
		signal.Notify(i.signals, os.Interrupt, syscall.SIGTERM)
		close(i.caught)
	}()
	return func() {
		a.interrupted = nil
		go func() {
			<-i.caught
			signal.Stop(i.signals)
		}()
	}
}

// interruptions gives the signals that have come since, and those to come.
func (a *app) interruptions() <-chan os.Signal {
	<-a.interrupted.caught
	return a.interrupted.signals
}
