//go:build linux

package stack_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"ctys/primitives"
	"ctys/primitives/stack"
)

// far plays the way to another host, whose libvirtd is the shared one.
type far struct {
	sync.Mutex
	socket string
	hosts  []string
	open   []net.Conn
}

func (f *far) dial(ctx context.Context, host, network, address string) (net.Conn, error) {
	f.Lock()
	defer f.Unlock()
	f.hosts = append(f.hosts, host)
	if network == "unix" && address == "/var/run/libvirt/libvirt-sock" {
		address = f.socket
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err == nil {
		f.open = append(f.open, conn)
	}
	return conn, err
}

// cut ends all connections, as a lost line does.
func (f *far) cut() {
	f.Lock()
	defer f.Unlock()
	for _, conn := range f.open {
		conn.Close()
	}
	f.open = nil
}

func TestOtherHost(t *testing.T) {
	way := &far{socket: libvirtd(t).Socket}
	client := stack.New(stack.Options{Dial: way.dial, Run: func(context.Context, string, []string) (string, error) {
		return "socket libvirt-sock\nend\n", nil
	}})
	defer client.Close()
	ctx := within(t, bootTime)

	hypervisors, err := client.Hypervisors(ctx, "root@lab01")
	ok(t, err)
	var uris []string
	for _, hypervisor := range hypervisors {
		uris = append(uris, hypervisor.URI)
		if hypervisor.Version == "" {
			t.Errorf("no version: %+v", hypervisor)
		}
	}
	if got := strings.Join(uris, " "); got != "qemu+ssh://root@lab01/system lxc+ssh://root@lab01/system" {
		t.Errorf("found %s", got)
	}

	guest := stack.Ref{URI: "test+ssh://root@lab01/default", UUID: testDomain}
	seen, err := client.Inspect(ctx, guest)
	ok(t, err)
	if seen.Name != "test" || seen.URI != guest.URI {
		t.Errorf("saw %+v", seen)
	}
	for _, host := range way.hosts {
		if host != "root@lab01" {
			t.Errorf("connected from %q", host)
		}
	}

	// a lost line is found and mended by the next look
	for range 3 {
		way.cut()
		_, err = client.Inspect(ctx, guest)
		ok(t, err)
	}
}

func TestNoWayToOtherHosts(t *testing.T) {
	client := newClient(t)
	_, err := client.List(within(t, bootTime), "qemu+ssh://lab01/system")
	mustBe(t, err, primitives.Unsupported)
	_, err = client.List(within(t, bootTime), "xen+ssh://lab01/")
	mustBe(t, err, primitives.Unsupported)
}
