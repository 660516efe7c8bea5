package stack

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// libvirt's frames: a length that counts itself, six words of header, payload.
// Source: https://libvirt.org/kbase/internals/rpc.html, and for the greatest
// length VIR_NET_MESSAGE_MAX in libvirt's src/rpc/virnetprotocol.x.
const (
	frameHead = 28
	frameMax  = 32<<20 + 4

	procConnectOpen = 1 // REMOTE_PROC_CONNECT_OPEN
	typeReply       = 1
	statusOK        = 0
)

// frames is a connection to libvirtd, watched from below the RPC library. It
// refuses lengths that no libvirtd sends, on which the library would panic;
// counts what arrives, so that a silent daemon can be told from a slow call;
// and says when the connection is gone.
type frames struct {
	net.Conn

	head   []byte // of the current frame, not yet handed on
	left   int    // bytes of the current frame behind head
	opened bool   // the daemon has accepted the URI

	arrived atomic.Int64
	settled chan struct{} // closed when the library has finished connecting
	gone    chan struct{} // closed when nothing can be sent or arrive any more
	once    sync.Once
	cause   error // why; written before gone is closed
}

func newFrames(connection net.Conn) *frames {
	return &frames{Conn: connection, settled: make(chan struct{}), gone: make(chan struct{})}
}

// Read hands on bytes of one frame, whose length has been checked.
func (f *frames) Read(buffer []byte) (int, error) {
	n, err := f.read(buffer)
	if err != nil {
		f.end(err)
		// The library notes the end of the connection and the end of
		// connecting without a lock between them. Once the URI has been
		// accepted the latter follows by itself, so it can be waited for.
		if f.opened {
			<-f.settled
		}
	}
	return n, err
}

// Write sends what the library has to send. Where that fails nothing can arrive
// either, which a reader may notice only later.
func (f *frames) Write(data []byte) (int, error) {
	n, err := f.Conn.Write(data)
	if err != nil {
		f.end(err)
	}
	return n, err
}

// end notes that the connection is gone.
func (f *frames) end(cause error) {
	f.once.Do(func() {
		f.cause = cause
		close(f.gone)
	})
}

func (f *frames) read(buffer []byte) (int, error) {
	if len(f.head) == 0 && f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.head) > 0 {
		n := copy(buffer, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	if len(buffer) > f.left {
		buffer = buffer[:f.left]
	}
	n, err := f.Conn.Read(buffer)
	f.left -= n
	return n, err
}

// next reads a frame's head.
func (f *frames) next() error {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(f.Conn, head); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head)
	if length < frameHead || length > frameMax {
		return fmt.Errorf("a frame of %d bytes is not libvirt's", length)
	}
	f.arrived.Add(1)
	f.head, f.left = head, int(length)-frameHead
	procedure, kind, status := binary.BigEndian.Uint32(head[12:]), binary.BigEndian.Uint32(head[16:]), binary.BigEndian.Uint32(head[24:])
	if procedure == procConnectOpen && kind == typeReply && status == statusOK {
		f.opened = true
	}
	return nil
}

// isGone tells whether the connection has ended, and why.
func (f *frames) isGone() (bool, error) {
	select {
	case <-f.gone:
		return true, f.cause
	default:
		return false, nil
	}
}
