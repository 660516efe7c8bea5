package bridge

import (
	"context"

	"ctys/primitives"
)

// Client reads the bridges of the host it runs on. It holds nothing open
// between two calls and may be used by many goroutines at once.
type Client struct {
	read func(ctx context.Context) ([]Bridge, error)
}

// New gives a Client of this host.
func New() *Client { return &Client{read: readSystem} }

// List gives all bridges, by the kernel's index. No privilege is needed.
// Errors: Unsupported on a system other than Linux, Canceled and Timeout as
// ctx ends.
func (c *Client) List(ctx context.Context) ([]Bridge, error) {
	const op = "bridge.list"
	if err := ctx.Err(); err != nil {
		return nil, primitives.Wrap(op, "", "not read", err)
	}
	all, err := c.read(ctx)
	if err != nil {
		return nil, primitives.Wrap(op, "", "reading the bridges", err)
	}
	return all, nil
}
