package stack

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
)

// target is a hypervisor as a URI names it.
// Source: https://libvirt.org/uri.html
type target struct {
	driver string // qemu, lxc, test, xen, qmp
	host   string // [user@]host[:port], "" is this machine
	path   string // "/system", "/session", "/default", a file of the test driver
	socket string // where libvirtd listens, "" is the usual place
}

// parseURI reads a hypervisor's URI. Only what this package can hold to is
// accepted: an unknown transport or parameter is an error.
func parseURI(text string) (target, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return target{}, fmt.Errorf("%q is no hypervisor URI (qemu:///system, qemu+ssh://host/system, lxc:///system, xen:///system)", text)
	}
	driver, transport, _ := strings.Cut(parsed.Scheme, "+")
	to := target{driver: driver, path: parsed.Path}
	if to.host, err = hostOf(text, parsed, transport); err != nil {
		return target{}, err
	}
	if to.socket, err = socketOf(text, parsed); err != nil {
		return target{}, err
	}
	return to, to.check(text)
}

func hostOf(text string, parsed *url.URL, transport string) (string, error) {
	switch transport {
	case "", "unix":
		if parsed.Host != "" || parsed.User != nil {
			return "", fmt.Errorf("%q names a host without a way to it: write %s+ssh://%s%s", text, parsed.Scheme, parsed.Host, parsed.Path)
		}
		return "", nil
	case "ssh":
		if parsed.Hostname() == "" {
			return "", fmt.Errorf("%q has no host after ssh://", text)
		}
	default:
		return "", fmt.Errorf("%q uses the transport %q: only +ssh is known", text, transport)
	}
	host := parsed.Host
	if parsed.User != nil {
		if _, hasPassword := parsed.User.Password(); hasPassword || parsed.User.Username() == "" {
			return "", fmt.Errorf("a hypervisor's URI has a user name and no password before the @")
		}
		host = parsed.User.Username() + "@" + host
	}
	if strings.HasPrefix(host, "-") || strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("%q has no usable host name", text)
	}
	return host, nil
}

func socketOf(text string, parsed *url.URL) (string, error) {
	query, err := url.ParseQuery(parsed.RawQuery)
	if err != nil || parsed.Fragment != "" || parsed.Opaque != "" {
		return "", fmt.Errorf("%q is no hypervisor URI", text)
	}
	for key, values := range query {
		if key != "socket" || len(values) != 1 {
			return "", fmt.Errorf("%q has the parameter %q: only one socket=PATH is known", text, key)
		}
	}
	socket := query.Get("socket")
	if query.Has("socket") && (!path.IsAbs(socket) || strings.ContainsRune(socket, 0)) {
		return "", fmt.Errorf("%q: a socket is an absolute path", text)
	}
	return socket, nil
}

// check holds each driver to the paths that it has.
func (t *target) check(text string) error {
	switch t.driver {
	case "qemu":
		if t.path == "/system" || t.path == "/session" {
			return nil
		}
	case "lxc":
		if t.path == "/system" || t.path == "/" || t.path == "" {
			t.path = "/system"
			return nil
		}
	case "xen":
		if t.socket != "" {
			return fmt.Errorf("%q: Xen is spoken to by xl, which has no socket", text)
		}
		if t.path == "/system" || t.path == "/" || t.path == "" {
			t.path = "/system"
			return nil
		}
	case "qmp":
		if t.socket != "" {
			return fmt.Errorf("%q: plain QEMU has a socket for each guest, which is found by itself", text)
		}
		if t.path == "/system" {
			return nil
		}
	case "test":
		if len(t.path) > 1 {
			return nil
		}
	default:
		return fmt.Errorf("%q has the driver %q: qemu, lxc, xen, qmp and test are known", text, t.driver)
	}
	return fmt.Errorf("%q: the driver %s has no %q (qemu: /system, /session; lxc, xen, qmp: /system; test: /default)", text, t.driver, t.path)
}

// name is what libvirtd itself is told: to it everything is local.
func (t target) name() string {
	return t.driver + "://" + (&url.URL{Path: t.path}).EscapedPath()
}

// uuid is a guest's UUID.
type uuid [16]byte

// parseUUID reads a UUID with or without dashes, without regard to case.
func parseUUID(text string) (uuid, error) {
	var id uuid
	digits := strings.ReplaceAll(text, "-", "")
	if len(digits) != 32 || len(text) != 32 && len(text) != 36 {
		return id, fmt.Errorf("%q is no UUID", text)
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return id, fmt.Errorf("%q is no UUID", text)
	}
	return id, nil
}

// String gives lower case with dashes.
func (u uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
