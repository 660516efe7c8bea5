package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"ctys/primitives"
)

// qemu is the backend for plain QEMU: processes that nobody manages, each with
// a monitor of its own on a Unix socket (-qmp unix:PATH,server=on,wait=off).
// When such a guest is off there is nothing that could start it again.
type qemu struct {
	client *Client
	uri    string
	host   string
}

// problem makes an Error of a failed call.
func (q *qemu) problem(op, what string, err error) error {
	if err == nil {
		return nil
	}
	kind := primitives.KindOf(err)
	var refused *qmpError
	switch {
	case errors.Is(err, errAbsent):
		kind = primitives.Invalid
	case errors.Is(err, errLost):
		kind = primitives.Unreachable
	case errors.As(err, &refused) && refused.Class == "CommandNotFound":
		kind = primitives.Unsupported
	}
	return &primitives.Error{Kind: kind, Op: op, Host: q.uri, Message: what, Cause: err}
}

func (q *qemu) list(ctx context.Context, op string) ([]Guest, error) {
	processes, err := q.processes(ctx)
	if err != nil {
		return nil, q.problem(op, "cannot look for QEMU processes", err)
	}
	guests := make([]Guest, len(processes))
	var looks sync.WaitGroup
	turns := make(chan struct{}, looksAtOnce)
	for i, process := range processes {
		turns <- struct{}{}
		looks.Go(func() {
			guests[i] = q.look(ctx, process)
			<-turns
		})
	}
	looks.Wait()
	return guests, nil
}

// looksAtOnce bounds the monitors that are asked side by side: one that hangs
// takes all its time, and is not to be waited for one after the other.
const looksAtOnce = 32

// look describes a process. One whose monitor does not answer runs, and what
// its guest does is not known.
func (q *qemu) look(ctx context.Context, process qemuProcess) Guest {
	guest := Guest{
		Ref: Ref{URI: q.uri, UUID: process.uuid}, Name: process.name, Type: "qemu", State: Unknown,
		MACs: process.macs, Witness: process.witness(), At: q.client.clock.Now(),
	}
	guest.ID, _ = strconv.Atoi(process.pid)
	ctx, cancel := primitives.WithTimeout(ctx, q.client.clock, qmpAnswer)
	defer cancel()
	err := q.with(ctx, process, func(m *monitor) error {
		seen, err := m.status(ctx)
		if err != nil {
			return err
		}
		guest.State, guest.Cause = seen.state, seen.cause
		if m.accelerated(ctx) {
			guest.Type = "kvm"
		}
		return nil
	})
	if err != nil {
		guest.Cause = err.Error()
	}
	return guest
}

// witness is the process: another one has it after each start.
func (p qemuProcess) witness() string { return "process " + p.pid + " since tick " + p.start }

var errNoMonitor = primitives.Errorf(primitives.Unsupported, "", "", "it runs without a monitor that could be asked: start it with -qmp unix:PATH,server=on,wait=off")

var errSession = primitives.Errorf(primitives.Unsupported, "", "", "it is of a user's own libvirt, which has its monitor: shut it down there, in that account (virsh -c qemu:///session)")

// with talks to the monitor of a process, if it is that process's.
func (q *qemu) with(ctx context.Context, process qemuProcess, talk func(*monitor) error) error {
	if process.session {
		return errSession
	}
	if process.socket == "" {
		return errNoMonitor
	}
	if !strings.HasPrefix(process.socket, "/") {
		return primitives.Errorf(primitives.Unsupported, "", "", "its monitor %q is a path from a folder that is not known: start it with an absolute one", process.socket)
	}
	m, err := q.openMonitor(ctx, process.socket)
	if err != nil {
		return err
	}
	defer m.close()
	if err := m.isOf(ctx, process); err != nil {
		return err
	}
	return talk(m)
}

// qmpStates are QEMU's run states. Those in which a guest is moved to another
// host, or its machine is taken over by another, stay unknown.
// Source: RunState in QEMU's qapi/run-state.json.
var qmpStates = map[string]State{
	"running":        Running,
	"paused":         Paused,
	"prelaunch":      Paused,
	"debug":          Paused,
	"io-error":       Paused, // by a disk that is full or gone; it goes on when told to
	"watchdog":       Paused,
	"save-vm":        Paused,
	"restore-vm":     Paused,
	"suspended":      Suspended,
	"shutdown":       Off, // with -no-shutdown its process stays
	"guest-panicked": Crashed,
	"internal-error": Crashed,
}

func (m *monitor) status(ctx context.Context) (glance, error) {
	answer, err := m.execute(ctx, "query-status")
	if err != nil {
		return glance{}, err
	}
	var read struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(answer, &read); err != nil {
		return glance{}, fmt.Errorf("query-status: %w", err)
	}
	state, known := qmpStates[read.Status]
	if !known {
		return glance{state: Unknown, cause: fmt.Sprintf("QEMU's state %q is not known", read.Status)}, nil
	}
	return glance{state: state}, nil
}

// accelerated tells whether the guest runs on the processor itself.
func (m *monitor) accelerated(ctx context.Context) bool {
	answer, err := m.execute(ctx, "query-kvm")
	var read struct {
		Enabled bool `json:"enabled"`
	}
	return err == nil && json.Unmarshal(answer, &read) == nil && read.Enabled
}

func (q *qemu) inspect(ctx context.Context, op, id string) (Guest, error) {
	process, err := q.find(ctx, id)
	if errors.Is(err, errAbsent) {
		return Guest{Ref: Ref{URI: q.uri, UUID: id}, Type: "qemu", State: Off, At: q.client.clock.Now()}, nil
	}
	if err != nil {
		return Guest{}, q.problem(op, "guest "+id, err)
	}
	return q.look(ctx, process), nil
}

func (q *qemu) glance(ctx context.Context, op, id string) (glance, error) {
	guest, err := q.inspect(ctx, op, id)
	return glance{state: guest.State, cause: guest.Cause, witness: guest.Witness}, err
}

func (q *qemu) ask(ctx context.Context, op, id string, what verb, mode Mode) error {
	command, err := qmpCommand(op, q.uri, id, what, mode)
	if err != nil {
		return err
	}
	process, err := q.find(ctx, id)
	if err != nil {
		return q.problem(op, "guest "+id, err)
	}
	ctx, cancel := primitives.WithTimeout(ctx, q.client.clock, qmpAnswer)
	defer cancel()
	return q.problem(op, "guest "+process.name, q.with(ctx, process, func(m *monitor) error {
		return m.carryOut(ctx, what, command)
	}))
}

// carryOut sends a command where it makes sense: QEMU takes a power button
// also from a guest that is off, and nothing comes of it.
func (m *monitor) carryOut(ctx context.Context, what verb, command string) error {
	now, err := m.status(ctx)
	if err != nil {
		return err
	}
	switch {
	case what == verbDestroy:
	case now.state == Off:
		return primitives.Errorf(primitives.Invalid, "", "", "it is off")
	case what == verbShutdown && now.state == Paused:
		return primitives.Errorf(primitives.Invalid, "", "", "it is paused and hears nothing: resume it first")
	case what == verbResume && now.state == Suspended:
		command = "system_wakeup"
	}
	_, err = m.execute(ctx, command)
	if what == verbDestroy && errors.Is(err, errLost) {
		return nil // it may end before its answer is out
	}
	return err
}

// qmpCommands are the monitor's commands for verbs that know no modes.
var qmpCommands = map[verb]string{
	verbReset: "system_reset", verbDestroy: "quit", verbSuspend: "stop", verbResume: "cont",
}

// qmpCommand is the monitor's command for a verb.
func qmpCommand(op, uri, id string, what verb, mode Mode) (string, error) {
	if what == verbShutdown && mode == ModeACPI {
		return "system_powerdown", nil
	}
	if (what == verbShutdown || what == verbReboot) && flags[mode] == 0 {
		return "", primitives.Errorf(primitives.Invalid, op, uri, "%q is no mode: acpi, agent, initctl, signal or paravirt", mode)
	}
	if command := qmpCommands[what]; command != "" {
		return command, nil
	}
	return "", primitives.Errorf(primitives.Unsupported, op, uri, "guest %s: plain QEMU has no %s", id, strings.TrimSpace(string(what)+" "+string(mode)))
}

// probeQEMU finds processes that somebody has started by hand. Where this
// account cannot see them, and QEMU is there, nobody knows what runs.
func (c *Client) probeQEMU(ctx context.Context, host string, found facts) (Hypervisor, error) {
	const op = "stack.hypervisors"
	q := &qemu{client: c, uri: uriOn("qmp", host), host: host}
	if found.hidden {
		return Hypervisor{}, primitives.Errorf(primitives.Denied, op, q.uri,
			"QEMU is installed and this account does not see the processes of others (hidepid of /proc): mount /proc with gid= of a group of its, or use root")
	}
	if !found.qemu {
		return Hypervisor{}, nil
	}
	processes, err := q.processes(ctx)
	if err != nil {
		return Hypervisor{}, q.problem(op, "cannot look for QEMU processes", err)
	}
	if len(processes) == 0 {
		return Hypervisor{}, nil
	}
	return Hypervisor{URI: q.uri, Type: "qmp"}, nil
}
