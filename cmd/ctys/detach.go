package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"ctys/cmd/ctys/form"
	"ctys/luabind"

	"golang.org/x/sys/unix"
)

// A call with -b async is carried out by a second process. The first one waits
// until that has found the request good and is about to contact a machine, so
// that what is refused is still told, with its exit code, to who typed it; then
// it prints the run's id and ends.

// goesOnFD is the descriptor by which the second process says that it goes on.
const goesOnFD = 3

// goesOnVariable tells a process that it is the second one.
const goesOnVariable = "CTYS_GOES_ON"

// outputFile is where the second process writes what a terminal would show.
const outputFile = "output"

// goneOn is what the second process says.
type goneOn struct {
	Job    string `json:"job"`
	Folder string `json:"journal"`
}

// isSecond tells whether this process is to carry out a call of another one.
// What it starts itself is not told so.
func isSecond() bool {
	second := os.Getenv(goesOnVariable) != ""
	os.Unsetenv(goesOnVariable)
	if second {
		signal.Ignore(syscall.SIGHUP)
		syscall.CloseOnExec(goesOnFD)
	}
	return second
}

// detached hands a part of a call on to a second process, where that is asked
// for; done is false where this process carries it out. What is only planned
// stays with the first.
func (a *app) detached(async, plan bool, options form.Options) (done bool, exit int) {
	switch {
	case !async:
		return false, exitReached
	case plan:
		return a.second, exitReached
	case a.second, a.resumed != nil:
		return false, exitReached
	}
	return true, a.detach(options)
}

// detach starts the second process and waits until it goes on, or has ended.
func (a *app) detach(options form.Options) int {
	if err := newLazyJournal(options.Journal, nil, func(string) {}).Usable(); err != nil {
		return a.failed(luabind.Errorf(luabind.Denied, "-b async", "", "a call that goes on by itself needs a journal to be followed by: %v", err))
	}
	second, ready, err := a.startSecond()
	if err != nil {
		return a.failed(luabind.Errorf(luabind.Internal, "-b async", "", "no second process: %v", err))
	}
	defer ready.Close()
	signals := a.interruptions()
	go func() {
		for received := range signals {
			_ = second.Process.Signal(received)
		}
	}()
	text, _ := io.ReadAll(io.LimitReader(ready, 64<<10))
	var on goneOn
	if json.Unmarshal(text, &on) == nil && on.Job != "" {
		_ = second.Process.Release()
		a.tellGoneOn(on, options.JSON)
		return exitReached
	}
	_ = second.Wait()
	if code := second.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return exitFailed
}

func (a *app) startSecond() (*exec.Cmd, *os.File, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	ready, said, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer said.Close()
	second := &exec.Cmd{
		Path: program, Args: append([]string{os.Args[0]}, a.argv...), Env: append(os.Environ(), goesOnVariable+"=1"),
		Stdout: a.stdout, Stderr: a.stderr, ExtraFiles: []*os.File{said},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := second.Start(); err != nil {
		ready.Close()
		return nil, nil, err
	}
	return second, ready, nil
}

func (a *app) tellGoneOn(on goneOn, asJSON bool) {
	if asJSON {
		text, _ := json.Marshal(on)
		fmt.Fprintf(a.stdout, "%s\n", text)
		return
	}
	fmt.Fprintf(a.stdout, "%s goes on; ctys attach %s follows it, its journal is %s\n", on.Job, on.Job, on.Folder)
}

// goOn is called with each event of a second process: the first one that shows
// that the request was found good lets it go on without the first.
func (s *session) goOn() func(luabind.Event) {
	if !s.app.second || s.journal == nil {
		return func(luabind.Event) {}
	}
	var once sync.Once
	return func(event luabind.Event) {
		if event.Kind == luabind.KindStep || event.Kind == luabind.KindIntent {
			once.Do(s.leave)
		}
	}
}

// leave tells the first process, and writes beside the journal from now on.
// Where there is no journal it goes on under the first one's eyes.
func (s *session) leave() {
	job, err := s.journal.open()
	if err != nil {
		return
	}
	output, err := os.OpenFile(filepath.Join(s.journal.folder(), outputFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer output.Close()
	said := os.NewFile(goesOnFD, "said")
	defer said.Close()
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if err := unix.Dup3(int(output.Fd()), int(stream.Fd()), 0); err != nil {
			return
		}
	}
	text, _ := json.Marshal(goneOn{Job: job, Folder: s.journal.folder()})
	_, _ = said.Write(text)
}
