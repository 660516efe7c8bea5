package stack

import (
	"context"
	"fmt"
	"html"
	"path"
	"strings"
	"time"

	"ctys/primitives"
)

// Manager is a cluster's resource manager on a host: what it owns it starts again
// when somebody else takes it down, here or on another host.
type Manager struct {
	Name    string // "pacemaker", "proxmox-ha"
	Owns    []Owned
	Problem error // why it does not say what it owns; nil for one that does
}

// Owned is a guest that a Manager keeps running.
type Owned struct {
	Guest    string // what the guest's hypervisor calls it
	Resource string // what its manager calls it
}

// managerWait bounds what one manager, and the look for them, may take: a cluster
// without a quorum can be silent for long.
const managerWait = 10 * time.Second

// withSbin is where the tools of cluster managers are, which the PATH of an
// account that is not root often leaves out.
const withSbin = `PATH=$PATH:/usr/sbin:/sbin; `

// managerSurvey asks which managers a host has. Pacemaker's program may be there
// without its daemon, which then keeps nothing running.
const managerSurvey = withSbin + `
if command -v cibadmin >/dev/null; then echo pacemaker
  if grep -qx pacemakerd /proc/[0-9]*/comm 2>/dev/null; then echo pacemakerd; fi
fi
if command -v ha-manager >/dev/null; then echo proxmox-ha; fi
echo end`

// Managers finds the cluster managers on a host ("" is this one), and what each
// keeps running: Pacemaker's resources of the agents VirtualDomain, Xen, lxc and
// podman, and its bundles of podman; the services of Proxmox's HA manager. It
// reads only. None is an empty list. One that is there and does not answer stands
// in the list with its Problem: what it owns is not known.
func (c *Client) Managers(ctx context.Context, host string) ([]Manager, error) {
	const op = "stack.managers"
	out, err := c.bounded(ctx, host, managerSurvey)
	words := map[string]bool{}
	for _, word := range strings.Fields(out) {
		words[word] = true
	}
	if err == nil && !words["end"] {
		err = fmt.Errorf("the host's shell did not finish: %q", out)
	}
	if err != nil {
		return nil, primitives.Wrap(op, host, "cannot look for cluster managers", err)
	}
	list := []Manager{}
	if words["pacemaker"] {
		if manager, runs := c.pacemaker(ctx, host, words["pacemakerd"]); runs {
			list = append(list, manager)
		}
	}
	if words["proxmox-ha"] {
		list = append(list, c.proxmox(ctx, host))
	}
	for i := range list {
		list[i].Problem = primitives.Wrap(op, host, list[i].Name+" does not say which guests it keeps running", list[i].Problem)
	}
	return list, nil
}

// bounded runs a script of this package on a host.
func (c *Client) bounded(ctx context.Context, host, script string, args ...string) (string, error) {
	ctx, cancel := primitives.WithTimeout(ctx, c.clock, managerWait)
	defer cancel()
	return c.run(ctx, host, append([]string{"sh", "-c", script, "sh"}, args...))
}

// namesScript prints each file that can be read, and its first line with a name.
const namesScript = `for f; do
  test -r "$f" || continue
  printf '%s\t%s\n' "$f" "$(grep -m1 -E '<name>|^[[:space:]]*name[[:space:]]*[=:]|^hostname:' -- "$f" | tr '\t' ' ')"
done`

// namesIn reads the guests' names from their definitions: libvirt's XML, Xen's
// "name = ", Proxmox's "name: " and "hostname: ". A file that cannot be read is not
// among them; one without a name has the empty one.
func (c *Client) namesIn(ctx context.Context, host string, files []string) (map[string]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	out, err := c.bounded(ctx, host, namesScript, files...)
	names := map[string]string{}
	for line := range strings.Lines(out) {
		if file, text, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok {
			names[file] = nameIn(text)
		}
	}
	return names, err
}

func nameIn(line string) string {
	if _, rest, ok := strings.Cut(line, "<name>"); ok {
		name, _, _ := strings.Cut(rest, "</name>")
		return html.UnescapeString(strings.TrimSpace(name))
	}
	at := strings.IndexAny(line, "=:")
	return strings.Trim(line[at+1:], " \t\r\"'")
}

// bareName is what a definition's file is called.
func bareName(file string) string {
	base := path.Base(file)
	return strings.TrimSuffix(base, path.Ext(base))
}
