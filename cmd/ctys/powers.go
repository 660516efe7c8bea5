package main

import (
	"context"
	"os"

	"ctys/luabind"
	"ctys/luabind/real"
)

// powers are those of this machine, and the way to others.
func powers(s *session) (luabind.Capabilities, func() error) {
	desk := &real.Desk{
		Inventory:        s.setup.inventory,
		Machines:         keptMachines(),
		Version:          programVersion,
		AcceptNewHostKey: s.setup.options.AcceptNewHostKey,
		SSHConfig:        os.Getenv("CTYS_SSH_CONFIG"),
	}
	if terminal := s.terminal(); terminal != nil {
		desk.Prompt = func(ctx context.Context, question string) (string, error) {
			return terminal.Ask(ctx, question, true)
		}
	}
	options := real.Options{Desk: desk, Armed: armed, Warn: s.app.warn, Folder: func() string { return s.journal.folder() }}
	if s.setup.options.Verbose > 0 {
		options.Note = func(text string) { s.app.hint([]string{text}) }
	}
	capabilities, closePowers := real.New(options)
	capabilities.Relocate = quiet{capabilities.Relocate, s}
	return capabilities, closePowers
}

// quiet takes the live tree off the terminal while a console has it.
type quiet struct {
	luabind.Relocator
	session *session
}

// Console is luabind.Relocator.
func (q quiet) Console(ctx context.Context, machine luabind.Machine) (int, error) {
	q.session.reader.Suspend()
	defer q.session.reader.Resume()
	return q.Relocator.Console(ctx, machine)
}
