package remote

import (
	"net"
	"sync/atomic"
)

// wire is the byte stream under an SSH connection. It sees signs of life and
// the end of the stream before anyone above does.
type wire struct {
	net.Conn
	heard  atomic.Uint64 // grows with each read
	broken atomic.Bool
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.heard.Add(1)
	}
	if err != nil {
		w.broken.Store(true)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.broken.Store(true)
	}
	return n, err
}

func (w *wire) Close() error {
	w.broken.Store(true)
	return w.Conn.Close()
}
