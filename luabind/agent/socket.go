package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"ctys/primitives"
)

// lingering is how long a job that has ended waits for a desk to take its
// result; afterwards the result is read from its folder.
const lingering = 30 * time.Second

// maxSocketPath is what fits into sockaddr_un with its final NUL (unix(7)).
const maxSocketPath = 107

// socketPath gives the path by which the socket in a folder is opened. One that
// is too long leads through the folder's descriptor, which stays open until
// release.
func socketPath(folder string) (path string, release func(), err error) {
	path = filepath.Join(folder, socketFile)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	file, err := os.Open(folder)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", file.Fd(), socketFile), func() { file.Close() }, nil
}

func listenIn(folder string) (net.Listener, error) {
	path, release, err := socketPath(folder)
	if err != nil {
		return nil, err
	}
	defer release()
	_ = os.Remove(path) // of a process that was killed; the journal's lock tells that it is gone
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // by that path it might be another's later
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

func dialIn(folder string) (net.Conn, error) {
	path, release, err := socketPath(folder)
	if err != nil {
		return nil, err
	}
	defer release()
	return net.Dial("unix", path)
}

// runJob carries out the job in a folder, and serves desks meanwhile. ready is
// told once, when desks can attach or when the job is refused.
func runJob(ctx context.Context, host Host, dir, id string, ready func(error)) {
	j, err := openJob(host, dir, id)
	if err != nil {
		ready(err)
		return
	}
	defer j.journal.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(host.Life, cancel)()
	j.cancel = cancel
	if err := j.begin(ctx, filepath.Join(dir, id), ready); err != nil {
		j.outcome = outcome{Error: failureOf(err)}
		_ = j.keepOutcome()
		ready(err)
	}
}

// begin lets desks in.
func (j *job) begin(ctx context.Context, folder string, ready func(error)) error {
	listener, err := listenIn(folder)
	if err != nil {
		return primitives.Wrap("agent.start", j.order.Machine.Name, "the job's socket cannot be made", err)
	}
	defer os.Remove(filepath.Join(folder, socketFile))
	defer listener.Close()
	go j.accept(listener)
	ready(nil)
	j.run(ctx)
	j.linger()
	return nil
}

// linger waits until a desk has the result.
func (j *job) linger() {
	if j.hasEnded() {
		j.awaitDelivery(lingering)
	}
}

func (j *job) awaitDelivery(limit time.Duration) {
	ctx, cancel := primitives.WithTimeout(j.host.Life, j.host.Clock, limit)
	defer cancel()
	select {
	case <-j.delivered:
	case <-ctx.Done():
	}
}

// accept serves desks until the listener is closed.
func (j *job) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go j.admit(conn)
	}
}

func (j *job) admit(conn net.Conn) {
	stop := context.AfterFunc(j.host.Life, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	from := newLineReader(conn)
	first, err := from.next()
	if err != nil || first.Attach == 0 {
		return
	}
	j.serve(newPeer(from, conn, func() { conn.Close() }), first.Attach)
}

// relay connects a desk's line with the job's socket until either ends.
func relay(conn net.Conn, attach uint64, stdin io.Reader, stdout io.Writer) error {
	defer conn.Close()
	if err := newLineWriter(conn).send(line{Attach: attach}); err != nil {
		return err
	}
	go func() {
		io.Copy(conn, stdin)
		conn.Close()
	}()
	_, err := io.Copy(stdout, conn)
	return err
}
