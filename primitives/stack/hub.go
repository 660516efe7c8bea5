package stack

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
)

// hub is everything that the client has with one libvirtd: a connection for
// looking, which also brings events, and connections for what may take long,
// so that a slow save never keeps anybody from seeing the guests.
type hub struct {
	client *Client
	to     target
	looks  *pool
	asks   *pool

	mu            sync.Mutex
	subscriptions map[*Subscription]struct{}
}

// askLinks are as many connections as libvirtd's 20 workers (max_workers in
// libvirtd.conf) can serve.
const askLinks = 4

func newHub(client *Client, to target) *hub {
	h := &hub{client: client, to: to, subscriptions: map[*Subscription]struct{}{}}
	h.looks = newPool(1, h.connectWithEvents)
	h.asks = newPool(askLinks, h.connect)
	return h
}

func (h *hub) close() {
	h.looks.close()
	h.asks.close()
}

// connect opens a connection and names the driver on it.
func (h *hub) connect(ctx context.Context) (*link, error) {
	return h.connectAnd(ctx, func(*libvirt.Libvirt) error { return nil })
}

// connectWithEvents also asks for the events of all guests.
func (h *hub) connectWithEvents(ctx context.Context) (*link, error) {
	return h.connectAnd(ctx, h.listen)
}

func (h *hub) connectAnd(ctx context.Context, and func(*libvirt.Libvirt) error) (*link, error) {
	connection, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn := newFrames(connection)
	// the library takes no context: closing the connection ends its waiting
	release := context.AfterFunc(ctx, func() { conn.Close() })
	l := &link{rpc: libvirt.NewWithDialer(dialers.NewAlreadyConnected(conn)), conn: conn}
	err = l.rpc.ConnectToURI(libvirt.ConnectURI(h.to.name()))
	close(conn.settled)
	if err == nil {
		err = and(l.rpc)
	}
	if !release() {
		return nil, ctx.Err()
	}
	if err != nil {
		err = l.explain(err)
		conn.Close()
		return nil, err
	}
	return l, nil
}

// dial finds libvirtd's socket and connects to it.
func (h *hub) dial(ctx context.Context) (net.Conn, error) {
	candidates, err := h.sockets(ctx)
	if err != nil {
		return nil, err
	}
	var worst error
	for _, socket := range candidates {
		connection, err := h.client.dial(ctx, h.to.host, "unix", socket)
		if err == nil {
			return connection, nil
		}
		if err = socketError(h.to, socket, err); worst == nil || primitives.KindOf(err) == primitives.Denied {
			worst = err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, worst
}

// sockets are the places where libvirtd may listen: the daemon of one driver
// where the host has it, else the one for all drivers.
// Source: https://libvirt.org/daemons.html
func (h *hub) sockets(ctx context.Context) ([]string, error) {
	if h.to.socket != "" {
		return []string{h.to.socket}, nil
	}
	folder := "/var/run/libvirt"
	if h.to.path == "/session" {
		var err error
		if folder, err = h.sessionFolder(ctx); err != nil {
			return nil, err
		}
	}
	all := filepath.Join(folder, "libvirt-sock")
	switch h.to.driver {
	case "qemu", "lxc":
		return []string{filepath.Join(folder, "virt"+h.to.driver+"d-sock"), all}, nil
	}
	return []string{all}, nil
}

// sessionFolder is where the libvirtd of a user's own session listens.
func (h *hub) sessionFolder(ctx context.Context) (string, error) {
	if h.to.host == "" {
		if folder := os.Getenv("XDG_RUNTIME_DIR"); folder != "" {
			return filepath.Join(folder, "libvirt"), nil
		}
		cache, err := os.UserCacheDir()
		return filepath.Join(cache, "libvirt"), err
	}
	out, err := h.client.run(ctx, h.to.host, []string{"sh", "-c", `echo "${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"`})
	if err != nil {
		return "", err
	}
	return filepath.Join(strings.TrimSpace(out), "libvirt"), nil
}

// listen asks for lifecycle and reboot events. A hypervisor without events is
// watched by looking alone.
func (h *hub) listen(rpc *libvirt.Libvirt) error {
	for _, id := range []libvirt.DomainEventID{libvirt.DomainEventIDLifecycle, libvirt.DomainEventIDReboot} {
		// the stream ends with its connection
		events, err := rpc.SubscribeEvents(context.Background(), id, nil)
		var answer libvirt.Error
		if errors.As(err, &answer) || errors.Is(err, libvirt.ErrUnsupported) {
			continue
		}
		if err != nil {
			return err
		}
		go h.pass(events)
	}
	return nil
}

func (h *hub) pass(events <-chan any) {
	for event := range events {
		switch event := event.(type) {
		case *libvirt.DomainEventCallbackLifecycleMsg:
			if kind, known := lifecycle[libvirt.DomainEventType(event.Msg.Event)]; known {
				h.deliver(uuid(event.Msg.Dom.UUID), kind)
			}
		case *libvirt.DomainEventCallbackRebootMsg:
			h.deliver(uuid(event.Msg.Dom.UUID), EventReboot)
		}
	}
}

// deliver gives an event to everybody who subscribed to that guest.
func (h *hub) deliver(id uuid, kind EventKind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for subscription := range h.subscriptions {
		if subscription.id == id {
			subscription.take(kind)
		}
	}
}

// subscribe only keeps the subscription: events come once a connection is up.
func (h *hub) subscribe(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscriptions[s] = struct{}{}
}

func (h *hub) unsubscribe(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscriptions, s)
}

// socketError says what a failed connection to libvirtd's socket means.
func socketError(to target, socket string, err error) error {
	kind := primitives.KindOf(err)
	message := "cannot connect to " + socket
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		kind = primitives.Unreachable
		message = "nothing listens on " + socket + ": is libvirtd (or virt" + to.driver + "d) running? systemctl start libvirtd"
	case kind == primitives.Denied:
		message = "no permission for " + socket + ": " + joinGroup(to.host)
	case kind == primitives.Internal:
		kind = primitives.Unreachable
	}
	return &primitives.Error{Kind: kind, Op: "stack.connect", Host: to.host, Message: message, Cause: err}
}
