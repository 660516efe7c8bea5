//go:build linux

package wake

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// startLimit bounds the start of QEMU on a busy machine.
const startLimit = 30 * time.Second

// monitor speaks QEMU's machine protocol, one command at a time.
// Source: https://www.qemu.org/docs/master/interop/qmp-spec.html
type monitor struct {
	conn    net.Conn
	answers chan message
	events  chan message // closed when QEMU is gone

	mu sync.Mutex // one command at a time
}

// message is an answer or an event.
type message struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
	Event  string
	Data   struct{ Guest bool } // of RESET: the machine has done it itself
}

// dialMonitor connects as soon as QEMU listens.
func dialMonitor(socket string, gone <-chan struct{}) (*monitor, error) {
	for end := time.Now().Add(startLimit); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return newMonitor(conn)
		}
		select {
		case <-gone:
			return nil, errors.New("QEMU has ended")
		default:
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("QEMU does not listen after %v: %w", startLimit, err)
		}
	}
}

func newMonitor(conn net.Conn) (*monitor, error) {
	m := &monitor{conn: conn, answers: make(chan message, 1), events: make(chan message, 1000)}
	go m.read()
	return m, m.do("qmp_capabilities", nil, nil)
}

func (m *monitor) read() {
	defer close(m.events)
	defer close(m.answers)
	lines := bufio.NewScanner(m.conn)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var got message
		if json.Unmarshal(lines.Bytes(), &got) != nil {
			return
		}
		switch {
		case got.Event != "":
			m.events <- got
		case got.Return != nil || got.Error != nil:
			m.answers <- got
		}
	}
}

// do gives a command and puts what it returns into result, unless that is nil.
func (m *monitor) do(command string, arguments map[string]any, result any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arguments == nil {
		arguments = map[string]any{}
	}
	line, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	if err != nil {
		return err
	}
	if _, err := m.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("QEMU, %s: %w", command, err)
	}
	answer, open := <-m.answers
	switch {
	case !open:
		return fmt.Errorf("QEMU, %s: it has ended", command)
	case answer.Error != nil:
		return fmt.Errorf("QEMU, %s: %s", command, answer.Error.Desc)
	case result == nil:
		return nil
	}
	return json.Unmarshal(answer.Return, result)
}

// word reads 32 bits of the machine's physical memory, where its devices'
// registers are.
func (m *monitor) word(address uint64) (uint32, error) {
	var text string
	err := m.do("human-monitor-command", map[string]any{"command-line": fmt.Sprintf("xp /1wx %#x", address)}, &text)
	if err != nil {
		return 0, err
	}
	var at uint64
	var value uint32
	if _, err := fmt.Sscanf(text, "%x: 0x%x", &at, &value); err != nil || at != address {
		return 0, fmt.Errorf("QEMU, memory at %#x: %q", address, text)
	}
	return value, nil
}
