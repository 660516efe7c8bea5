package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"ctys/primitives"
)

// qmpAnswer is how long a monitor may take to greet and to answer. It serves one
// client at a time and greets nobody else meanwhile.
const qmpAnswer = 5 * time.Second

// qmpLine bounds one message of a monitor.
const qmpLine = 1 << 20

// monitor is a connection to a QEMU's monitor in control mode.
// Source: QEMU Machine Protocol Specification, docs/interop/qmp-spec.
type monitor struct {
	conn  net.Conn
	lines *bufio.Scanner
}

// qmpMessage is anything that a monitor sends.
type qmpMessage struct {
	QMP    json.RawMessage `json:"QMP"`
	Return json.RawMessage `json:"return"`
	Error  *qmpError       `json:"error"`
	Event  string          `json:"event"`
}

// qmpError is how a monitor refuses a command.
type qmpError struct {
	Class       string `json:"class"`
	Description string `json:"desc"`
}

func (e *qmpError) Error() string { return e.Description + " (" + e.Class + ")" }

// openMonitor connects, is greeted and ends the negotiation.
func (q *qemu) openMonitor(ctx context.Context, socket string) (*monitor, error) {
	conn, err := q.client.dial(ctx, q.host, "unix", socket)
	if err != nil {
		return nil, dialProblem(socket, err)
	}
	m := &monitor{conn: conn, lines: bufio.NewScanner(conn)}
	m.lines.Buffer(nil, qmpLine)
	err = m.within(ctx, func() error {
		greeting, err := m.next()
		if err == nil && greeting.QMP == nil {
			err = errors.New("it does not greet like a monitor in control mode")
		}
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = primitives.Errorf(primitives.Busy, "", "", "its monitor %s greets nobody: another client has it, or the QEMU hangs", socket)
	}
	if err == nil {
		_, err = m.execute(ctx, "qmp_capabilities")
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func dialProblem(socket string, err error) error {
	kind := primitives.Unreachable
	if errors.Is(err, syscall.EACCES) {
		kind = primitives.Denied
	}
	return &primitives.Error{Kind: kind, Message: "its monitor " + socket, Cause: err}
}

func (m *monitor) close() { m.conn.Close() }

// within bounds an exchange by ctx and by the patience with a monitor: closing
// the connection ends what waits on it.
func (m *monitor) within(ctx context.Context, exchange func() error) error {
	ended := context.AfterFunc(ctx, func() { m.conn.Close() })
	err := exchange()
	if !ended() && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// execute carries one command out and gives what it returned. Events that come
// before the answer say nothing that a look does not.
func (m *monitor) execute(ctx context.Context, command string) (json.RawMessage, error) {
	var result json.RawMessage
	err := m.within(ctx, func() error {
		if _, err := fmt.Fprintf(m.conn, "{\"execute\": %q}\n", command); err != nil {
			return err
		}
		for {
			message, err := m.next()
			switch {
			case err != nil:
				return fmt.Errorf("no answer to %s: %w", command, err)
			case message.Error != nil:
				return message.Error
			case message.Return != nil:
				result = message.Return
				return nil
			case message.Event == "":
				return fmt.Errorf("an answer to %s that is none", command)
			}
		}
	})
	return result, err
}

func (m *monitor) next() (qmpMessage, error) {
	if !m.lines.Scan() {
		if err := m.lines.Err(); err != nil {
			return qmpMessage{}, err
		}
		return qmpMessage{}, errLost
	}
	var message qmpMessage
	if err := json.Unmarshal(m.lines.Bytes(), &message); err != nil {
		return qmpMessage{}, fmt.Errorf("what the monitor says cannot be read: %w", err)
	}
	return message, nil
}
