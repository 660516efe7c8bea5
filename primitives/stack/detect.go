package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
)

// survey asks a host what it has, one fact a line: sockets that may be used
// ("socket NAME") or not ("locked NAME"), drivers whose guests have left their
// marks ("guests qemu"), Xen ("xen" where this is its control domain, "xl"
// where only the program is there), and whether a QEMU runs ("qemu"; "hidden"
// where one may, and this account is not shown it).
const survey = `d=/var/run/libvirt
if test -e $d && ! test -x $d; then echo locked $d; fi
for s in libvirt-sock virtqemud-sock virtlxcd-sock; do
  if test -S $d/$s; then if test -w $d/$s; then echo socket $s; else echo locked $d/$s; fi; fi
done
for t in qemu lxc; do
  for f in $d/$t/*.xml; do if test -e "$f"; then echo guests $t; break; fi; done
done
if grep -q control_d /proc/xen/capabilities 2>/dev/null; then echo xen
elif command -v xl >/dev/null; then echo xl; fi
if test -r /proc/1/stat; then
  for f in $(grep -lE '` + qemuWords + `' /proc/[0-9]*/cmdline 2>/dev/null); do
    case $(tr '\0' '\n' <$f 2>/dev/null | head -n 1) in *qemu-system-*|*qemu-kvm|*/kvm|kvm) echo qemu; break;; esac
  done
else
  for f in /usr/bin/qemu-system-* /usr/bin/kvm /usr/libexec/qemu-kvm; do if test -x $f; then echo hidden; break; fi; done
fi
echo end`

// facts are the answers to the survey.
type facts struct {
	sockets map[string]bool
	guests  map[string]bool
	locked  []string
	xen     bool
	xl      bool
	qemu    bool
	hidden  bool
}

func parseSurvey(text string) (facts, error) {
	found := facts{sockets: map[string]bool{}, guests: map[string]bool{}}
	complete := false
	for _, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "socket":
			found.sockets[rest] = true
		case "guests":
			found.guests[rest] = true
		case "locked":
			found.locked = append(found.locked, rest)
		case "xen":
			found.xen = true
		case "xl":
			found.xl = true
		case "qemu":
			found.qemu = true
		case "hidden":
			found.hidden = true
		case "end":
			complete = true
		}
	}
	if !complete {
		return found, errors.New("the host's shell did not finish: " + text)
	}
	return found, nil
}

// Hypervisors finds what answers on a host ("" is this one): libvirt's system
// drivers qemu and lxc, Xen, and QEMUs that nobody manages. None at all is an empty list. A hypervisor
// that is there and does not answer is an error that names it, of kind
// unreachable, denied or timeout; it stands in the list too, with its Problem.
func (c *Client) Hypervisors(ctx context.Context, host string) ([]Hypervisor, error) {
	const op = "stack.hypervisors"
	out, err := c.run(ctx, host, []string{"sh", "-c", survey})
	if err != nil {
		return nil, primitives.Wrap(op, host, "cannot look for hypervisors", err)
	}
	found, err := parseSurvey(out)
	if err != nil {
		return nil, primitives.Wrap(op, host, "cannot look for hypervisors", err)
	}
	var list []Hypervisor
	var problems []error
	for _, driver := range []string{"qemu", "lxc", "xen", "qmp"} {
		hypervisor, err := c.probe(ctx, host, driver, found)
		if err != nil {
			problems = append(problems, err)
			list = append(list, Hypervisor{URI: uriOn(driver, host), Type: driver, Problem: err})
		} else if hypervisor.URI != "" {
			list = append(list, hypervisor)
		}
	}
	if len(problems) > 0 {
		cause := errors.Join(problems...)
		return list, &primitives.Error{Kind: primitives.KindOf(problems[0]), Op: op, Host: host, Message: "not every hypervisor answers", Cause: cause}
	}
	return list, nil
}

func (c *Client) probe(ctx context.Context, host, driver string, found facts) (Hypervisor, error) {
	switch driver {
	case "xen":
		return c.probeXen(ctx, host, found)
	case "qmp":
		return c.probeQEMU(ctx, host, found)
	}
	return c.probeLibvirt(ctx, host, driver, found)
}

// probeLibvirt connects where there is a socket. A driver that the daemon does
// not have is no hypervisor, unless guests of it run.
func (c *Client) probeLibvirt(ctx context.Context, host, driver string, found facts) (Hypervisor, error) {
	const op = "stack.hypervisors"
	uri := uriOn(driver, host)
	if !found.sockets["libvirt-sock"] && !found.sockets["virt"+driver+"d-sock"] {
		for _, path := range found.locked {
			if path == "/var/run/libvirt" || strings.HasSuffix(path, "/libvirt-sock") || strings.HasSuffix(path, "/virt"+driver+"d-sock") {
				return Hypervisor{}, primitives.Errorf(primitives.Denied, op, uri, "no permission for %s: %s", path, joinGroup(host))
			}
		}
		if found.guests[driver] {
			return Hypervisor{}, primitives.Errorf(primitives.Unreachable, op, uri, "it has guests and no socket: systemctl start libvirtd (or virt%sd)", driver)
		}
		return Hypervisor{}, nil
	}
	version, err := c.version(ctx, op, uri)
	if err != nil {
		if !found.guests[driver] && lacksDriver(err) {
			return Hypervisor{}, nil
		}
		return Hypervisor{}, err
	}
	return Hypervisor{URI: uri, Type: driver, Version: version}, nil
}

// lacksDriver tells whether a daemon answered that it does not have a driver,
// or that the driver could not work on this host and is switched off.
func lacksDriver(err error) bool {
	var answer libvirt.Error
	if !errors.As(err, &answer) {
		return false
	}
	return libvirt.ErrorNumber(answer.Code) == libvirt.ErrNoConnect ||
		strings.Contains(answer.Message, "no connection driver available") ||
		strings.Contains(answer.Message, "state driver is not active")
}

func (c *Client) version(ctx context.Context, op, uri string) (string, error) {
	to, err := parseURI(uri)
	if err != nil {
		return "", primitives.Errorf(primitives.Invalid, op, uri, "%s", err)
	}
	hub, err := c.hub(op, uri, to)
	if err != nil {
		return "", err
	}
	number, err := look(ctx, hub, func(_ context.Context, rpc *libvirt.Libvirt) (uint64, error) {
		return rpc.ConnectGetVersion()
	})
	if err != nil {
		return "", hypervisorError(op, uri, "", err)
	}
	return fmt.Sprintf("%d.%d.%d", number/1000000, number/1000%1000, number%1000), nil
}

// probeXen asks xl. Where this is not Xen's control domain, a host that merely
// has the program is no hypervisor.
func (c *Client) probeXen(ctx context.Context, host string, found facts) (Hypervisor, error) {
	const op = "stack.hypervisors"
	if !found.xen && !found.xl {
		return Hypervisor{}, nil
	}
	x := &xen{client: c, uri: uriOn("xen", host), host: host}
	_, err := x.domains(ctx)
	switch {
	case err != nil && found.xen:
		return Hypervisor{}, x.problem(op, "this is Xen's control domain, and xl does not answer", err)
	case err != nil && ctx.Err() != nil:
		return Hypervisor{}, x.problem(op, "", err)
	case err != nil:
		return Hypervisor{}, nil
	}
	out, err := x.xl(ctx, "info", "xen_version")
	if err != nil {
		return Hypervisor{}, x.problem(op, "", err)
	}
	return Hypervisor{URI: x.uri, Type: "xen", Version: strings.TrimSpace(out)}, nil
}

// uriOn names a driver on a host.
func uriOn(driver, host string) string {
	if host == "" {
		return driver + ":///system"
	}
	if driver == "xen" {
		return "xen+ssh://" + host + "/"
	}
	return driver + "+ssh://" + host + "/system"
}
