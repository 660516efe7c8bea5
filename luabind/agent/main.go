package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"ctys/luabind/journal"
	"ctys/primitives"
)

// Exit codes of the agent itself; how an order ended stands in its result.
const (
	exitDone     = 0
	exitFailed   = 1
	exitRefused  = 2 // the command line
	exitDeclined = 3 // restore: nothing was done
)

// Main is `ctys agent ARGV…` on the machine that has the power:
//
//	start            take an order from standard input and carry it out in a
//	                 process of its own, which a cut line does not end
//	attach JOB SEQ   tell what a job has done from event SEQ on
//	resume JOB       the same from the first on; one that was cut short is
//	                 carried on before, with "again" behind it also one that has
//	                 ended
//	run FOLDER       that process; start calls it
//	hello            say the version
//	sum              print the SHA-256 of this program's file
//	restore FILE     give a bridge back what the file of a guard says, which is
//	                 then done; with --check before it, find out whether it could
//	guard FILE AFTER watch whether the process lives that has armed the guard, and
//	                 for no longer than that; a Guard calls it
//
// It returns the exit status.
func Main(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer, host Host) int {
	a := &agent{host: host.withDefaults(), stdin: newLineReader(stdin), stdout: newLineWriter(stdout), stderr: stderr, launch: launchProcess, isProcess: true}
	return a.do(ctx, argv)
}

// Serve is Main without processes of its own: the job goes on in this one when
// the line ends. A simulated machine serves its agent so.
func Serve(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer, host Host) int {
	a := &agent{host: host.withDefaults(), stdin: newLineReader(stdin), stdout: newLineWriter(stdout), stderr: stderr}
	a.launch = a.launchHere
	return a.do(ctx, argv)
}

type agent struct {
	host   Host
	stdin  *lineReader
	stdout *lineWriter
	stderr io.Writer
	// launch begins a job that goes on by itself, and returns when desks can
	// attach to it.
	launch func(ctx context.Context, host Host, dir, id string) error
	// isProcess: this process is the agent's own, and its machine the one that the
	// agent is asked about.
	isProcess bool
}

func (a *agent) do(ctx context.Context, argv []string) int {
	switch {
	case len(argv) == 1 && argv[0] == "start":
		return a.status(a.start(ctx))
	case len(argv) == 3 && argv[0] == "attach":
		return a.status(a.attach(argv[1], argv[2]))
	case len(argv) == 2 && argv[0] == "resume":
		return a.status(a.resume(ctx, argv[1], false))
	case len(argv) == 3 && argv[0] == "resume" && argv[2] == again:
		return a.status(a.resume(ctx, argv[1], true))
	case len(argv) == 2 && argv[0] == "run":
		return a.run(ctx, argv[1])
	case len(argv) == 1 && argv[0] == "hello":
		return a.status(a.greet())
	case len(argv) == 1 && argv[0] == "sum":
		return a.status(a.sum())
	case a.isProcess && (len(argv) == 2 && argv[0] == "restore" || len(argv) == 3 && argv[0] == "restore" && argv[1] == rehearse):
		return a.restore(ctx, argv[1:]...)
	case a.isProcess && len(argv) == 3 && argv[0] == "guard":
		return a.guard(ctx, argv[1], argv[2])
	}
	fmt.Fprintln(a.stderr, "usage: ctys agent start | attach JOB SEQ | resume JOB [again] | hello | sum | restore FILE (they are for ctys itself)")
	return exitRefused
}

func (a *agent) status(err error) int {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return exitDone
	}
	fmt.Fprintln(a.stderr, "ctys agent:", err)
	return exitFailed
}

func (a *agent) greet() error { return a.stdout.send(line{Hello: &hello{Version: a.host.Version}}) }

func (a *agent) sum() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout.to, hex.EncodeToString(digest.Sum(nil)))
	return err
}

// start takes an order. One that changes nothing ends with its line; any other
// gets a folder and a life of its own.
func (a *agent) start(ctx context.Context) error {
	if err := a.greet(); err != nil {
		return err
	}
	first, err := a.stdin.next()
	if err != nil {
		return err
	}
	if first.Order == nil {
		return errors.New("an order was expected")
	}
	if first.Order.Plan {
		return a.carryOutHere(ctx, newJob(a.host, *first.Order))
	}
	dir, err := a.host.StateDir()
	id := ""
	if err == nil {
		id, err = createJob(dir, a.host.Clock, *first.Order)
	}
	if err != nil {
		j := newJob(a.host, *first.Order)
		j.refusal = &primitives.Error{Kind: primitives.Denied, Op: "agent.start", Host: first.Order.Machine.Name, Message: "no journal can be written", Cause: err}
		if j.id, err = journal.NewID(a.host.Clock.Now(), nil); err != nil {
			return err
		}
		fmt.Fprintln(a.stderr, "ctys agent:", j.refusal)
		return a.carryOutHere(ctx, j)
	}
	return a.detach(ctx, dir, id)
}

func (a *agent) detach(ctx context.Context, dir, id string) error {
	if err := a.launch(ctx, a.host, dir, id); err != nil {
		return a.stdout.send(line{Result: &outcome{Error: failureOf(err)}})
	}
	if err := a.stdout.send(line{Job: id}); err != nil {
		return err
	}
	conn, err := dialIn(filepath.Join(dir, id))
	if err != nil {
		return err
	}
	return relay(conn, 1, a.stdin.from, a.stdout.to)
}

// carryOutHere runs a job whose life is that of its line.
func (a *agent) carryOutHere(ctx context.Context, j *job) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.host.Life, cancel)()
	j.cancel = cancel
	go func() {
		defer cancel()
		j.serve(newPeer(a.stdin, a.stdout.to, func() {}), 1)
	}()
	j.run(ctx)
	if !j.hasEnded() {
		return nil
	}
	<-ctx.Done() // the desk has the result, or is gone
	return nil
}

// attach goes on telling a job's events. What is left of a job that is over is
// read from its folder.
func (a *agent) attach(id, text string) error {
	from, err := strconv.ParseUint(text, 10, 64)
	if err != nil || from == 0 || !journal.ValidID(id) {
		return fmt.Errorf("attach needs a job and the number of an event, not %q %q", id, text)
	}
	if err := a.greet(); err != nil {
		return err
	}
	// A folder that cannot be written any more still tells what was done.
	dir, err := a.host.StateDir()
	var conn net.Conn
	if dir != "" {
		conn, err = a.reach(dir, id)
	}
	if err != nil {
		return a.lose(err)
	}
	if conn == nil {
		return a.recount(dir, id, from)
	}
	return relay(conn, from, a.stdin.from, a.stdout.to)
}

// lose tells a desk that of its job nothing more can be told.
func (a *agent) lose(why error) error {
	return a.stdout.send(line{Result: &outcome{Error: failureOf(why), Vanished: true}})
}

// reach connects to a job, and gives nil where it is over: nobody writes its
// journal any more.
func (a *agent) reach(dir, id string) (net.Conn, error) {
	for range 50 {
		conn, err := dialIn(filepath.Join(dir, id))
		if err == nil {
			return conn, nil
		}
		running, err := journal.Running(dir, id)
		if err != nil || !running {
			return nil, err
		}
		if err := a.host.Clock.Sleep(a.host.Life, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, primitives.Errorf(primitives.Timeout, "agent.attach", "", "job %s runs and does not answer", id)
}

func (a *agent) recount(dir, id string, from uint64) error {
	log, err := journal.Read(filepath.Join(dir, id, journal.FileName))
	if err != nil {
		return a.lose(err)
	}
	for _, event := range log.Entries {
		if event.Seq < from {
			continue
		}
		if err := sendEvent(a.stdout, event, asEvent); err != nil {
			return err
		}
	}
	kept := storedOutcome(dir, id)
	return a.stdout.send(line{Result: &kept})
}

// run is the process of a job. It is told readiness by its third descriptor.
func (a *agent) run(ctx context.Context, folder string) int {
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	status := exitDone
	runJob(ctx, a.host, filepath.Dir(folder), filepath.Base(folder), func(err error) {
		if err != nil {
			status = exitFailed
		}
		reportReady(err)
	})
	return status
}
