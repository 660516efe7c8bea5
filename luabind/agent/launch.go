package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ctys/luabind"
	"ctys/primitives"
)

// readyFD is the descriptor by which a job's process says that it is ready.
const readyFD = 3

// readyWait is how long that may take: the order has to be read and a socket
// to be made.
const readyWait = 20 * time.Second

// launchProcess begins a job in a process that nothing ties to this one: a
// session of its own (setsid(2)), so that no hangup reaches it, and none of our
// descriptors, so that sshd can close the line.
func launchProcess(ctx context.Context, host Host, dir, id string) error {
	program, err := os.Executable()
	if err != nil {
		return primitives.Wrap("agent.start", "", "this program's own file is not known", err)
	}
	folder := filepath.Join(dir, id)
	words, err := os.OpenFile(filepath.Join(folder, wordsFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return primitives.Wrap("agent.start", "", "the job's folder cannot be written", err)
	}
	defer words.Close()
	ready, said, err := os.Pipe()
	if err != nil {
		return primitives.Wrap("agent.start", "", "no pipe to the job", err)
	}
	defer ready.Close()
	child := exec.Command(program, "agent", "run", folder)
	child.Dir = "/"
	child.Env = jobEnvironment(primitives.Environment())
	child.Stderr = words
	child.ExtraFiles = []*os.File{said}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = child.Start()
	said.Close()
	if err != nil {
		return primitives.Wrap("agent.start", "", "the job's process cannot be started", err)
	}
	go child.Wait()
	return awaitReady(ctx, host.Clock, ready)
}

// kept are the variables that a job's process inherits. It gets none that
// leads to the caller's keys (SSH_AUTH_SOCK) or tells of the line that brought it.
var kept = []string{"HOME", "PATH", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "TZ", "XDG_", "CTYS_", "KRB5CCNAME", "DBUS_SESSION_BUS_ADDRESS"}

func jobEnvironment(all []string) []string {
	environment := []string{}
	for _, variable := range all {
		name, _, _ := strings.Cut(variable, "=")
		for _, wanted := range kept {
			if name == wanted || strings.HasSuffix(wanted, "_") && strings.HasPrefix(name, wanted) {
				environment = append(environment, variable)
				break
			}
		}
	}
	return environment
}

// awaitReady reads what reportReady writes.
func awaitReady(ctx context.Context, clock primitives.Clock, ready *os.File) error {
	ctx, cancel := primitives.WithTimeout(ctx, clock, readyWait)
	defer cancel()
	defer context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Unix(1, 0)) })()
	text, err := io.ReadAll(io.LimitReader(ready, 64<<10))
	if ctx.Err() != nil {
		return primitives.Wrap("agent.start", "", "the job's process did not get ready", ctx.Err())
	}
	var word struct{ Error *luabind.Failure }
	if err == nil {
		err = json.Unmarshal(text, &word)
	}
	if err != nil {
		return primitives.Wrap("agent.start", "", "the job's process ended before it was ready", err)
	}
	return failed(word.Error, "agent.start", "")
}

// reportReady tells the process that has started this one.
func reportReady(err error) {
	said := os.NewFile(readyFD, "ready")
	if said == nil {
		return
	}
	text, _ := json.Marshal(struct{ Error *luabind.Failure }{failureOf(err)})
	said.Write(text)
	said.Close()
}

// launchHere begins a job in this process.
func (a *agent) launchHere(ctx context.Context, host Host, dir, id string) error {
	ready := make(chan error, 2)
	go runJob(context.WithoutCancel(ctx), host, dir, id, func(err error) { ready <- err })
	select {
	case err := <-ready:
		return err
	case <-host.Life.Done():
		return errors.New("the machine has lost its power")
	}
}
