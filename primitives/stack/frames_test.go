package stack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"ctys/primitives"
)

// FuzzFrames feeds what no libvirtd sends: it must end in an error, and never
// hand on a frame of an impossible length.
func FuzzFrames(f *testing.F) {
	f.Add(frame(28, nil))
	f.Add(frame(32, []byte{1, 2, 3, 4}))
	f.Add(frame(0, nil))
	f.Add(frame(0xffffffff, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := newFrames(readOnly{Reader: bytes.NewReader(data)})
		close(conn.settled)
		got, err := io.ReadAll(conn)
		if err == nil && len(got) > 0 && len(got) < frameHead {
			t.Error("half a head was handed on")
		}
		if gone, _ := conn.isGone(); !gone {
			t.Error("the end was not noticed")
		}
		if !bytes.HasPrefix(data, got) {
			t.Error("bytes were changed")
		}
	})
}

type readOnly struct {
	net.Conn
	io.Reader
}

func (r readOnly) Read(buffer []byte) (int, error) { return r.Reader.Read(buffer) }

func frame(length uint32, payload []byte) []byte {
	head := make([]byte, frameHead)
	binary.BigEndian.PutUint32(head, length)
	return append(head, payload...)
}

// A peer that is no libvirtd is an error, and takes nothing down with it.
func TestPeerThatSpeaksNonsense(t *testing.T) {
	for name, reply := range map[string][]byte{
		"too short a frame": frame(4, nil),
		"too long a frame":  frame(1<<31, nil),
		"another protocol":  []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
		"nothing":           nil,
	} {
		t.Run(name, func(t *testing.T) {
			client := New(Options{Dial: func(context.Context, string, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() {
					_, _ = there.Read(make([]byte, 4096))
					_, _ = there.Write(reply)
					there.Close()
				}()
				return here, nil
			}})
			defer client.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_, err := client.List(ctx, "qemu:///system")
			if primitives.KindOf(err) != primitives.Unreachable {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// severed takes nothing any more, and has not told its reader yet.
type severed struct{ net.Conn }

func (severed) Write([]byte) (int, error) { return 0, net.ErrClosed }

// What cannot be sent is a line that is lost, not a fault of ctys.
func TestLineThatTakesNothing(t *testing.T) {
	conn := newFrames(severed{})
	on := &link{conn: conn}
	_, err := conn.Write([]byte{1})
	if err := on.explain(err); !errors.Is(err, errLost) {
		t.Errorf("the error is %v", err)
	}
}
