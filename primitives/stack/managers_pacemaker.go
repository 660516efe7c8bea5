package stack

import (
	"context"
	"encoding/xml"
	"fmt"
	"strconv"
)

// resource is an element of the CIB's resources: a primitive, a template, or what
// holds others (group, clone, bundle).
// Source: Pacemaker Explained, chapters Resources and Collective Resources,
// https://clusterlabs.org/projects/pacemaker/doc/
type resource struct {
	XMLName    xml.Name
	ID         string     `xml:"id,attr"`
	Type       string     `xml:"type,attr"`     // the agent's name
	Template   string     `xml:"template,attr"` // what stands there is inherited
	Replicas   string     `xml:"replicas,attr"`
	Parameters []nvpairs  `xml:"instance_attributes"`
	Meta       []nvpairs  `xml:"meta_attributes"`
	Inner      []resource `xml:",any"`
}

type nvpairs struct {
	Pairs []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"nvpair"`
}

func value(sets []nvpairs, name string) string {
	for _, set := range sets {
		for _, pair := range set.Pairs {
			if pair.Name == name {
				return pair.Value
			}
		}
	}
	return ""
}

// claim is a resource that is a guest: its name, or the file that has it.
type claim struct{ resource, name, file string }

// parseResources reads what "cibadmin --query --scope resources" prints. What
// Pacemaker was told to leave alone (is-managed=false at the resource itself) is
// left out; that a whole cluster is in maintenance mode is not looked at.
func parseResources(text string) ([]claim, error) {
	var root resource
	if err := xml.Unmarshal([]byte(text), &root); err != nil {
		return nil, fmt.Errorf("the CIB's resources cannot be read: %w", err)
	}
	if root.XMLName.Local != "resources" {
		return nil, fmt.Errorf("the CIB begins with <%s> and not with <resources>", root.XMLName.Local)
	}
	templates := map[string]resource{}
	for _, each := range root.Inner {
		if each.XMLName.Local == "template" {
			templates[each.ID] = each
		}
	}
	return claims(root.Inner, templates), nil
}

func claims(list []resource, templates map[string]resource) []claim {
	var found []claim
	for _, each := range list {
		switch each.XMLName.Local {
		case "primitive":
			found = append(found, each.with(templates[each.Template]).claim()...)
		case "group", "clone", "master":
			found = append(found, claims(each.Inner, templates)...)
		case "bundle":
			found = append(found, each.containers()...)
		}
	}
	return found
}

// with adds what a primitive inherits; its own settings come first.
func (r resource) with(template resource) resource {
	if r.Type == "" {
		r.Type = template.Type
	}
	r.Parameters = append(r.Parameters, template.Parameters...)
	r.Meta = append(r.Meta, template.Meta...)
	return r
}

// claim is what a primitive keeps running, by the parameters of its agent
// (ocf_heartbeat_VirtualDomain(7), and so on); none where it is no guest.
func (r resource) claim() []claim {
	if value(r.Meta, "is-managed") == "false" {
		return nil
	}
	c := claim{resource: r.ID}
	switch r.Type {
	case "VirtualDomain":
		c.file = value(r.Parameters, "config")
	case "Xen":
		c.name, c.file = value(r.Parameters, "name"), value(r.Parameters, "xmfile")
	case "lxc":
		c.name = value(r.Parameters, "container")
	case "podman":
		if c.name = value(r.Parameters, "name"); c.name == "" {
			c.name = r.ID
		}
	}
	if c.name == "" && c.file == "" {
		return nil
	}
	return []claim{c}
}

// containers are those of a bundle, which Pacemaker names itself.
func (r resource) containers() []claim {
	const most = 1024
	var found []claim
	for _, each := range r.Inner {
		if each.XMLName.Local != "podman" || value(r.Meta, "is-managed") == "false" {
			continue
		}
		replicas, err := strconv.Atoi(each.Replicas)
		if err != nil {
			replicas = 1
		}
		for n := range max(0, min(replicas, most)) {
			found = append(found, claim{resource: r.ID, name: fmt.Sprintf("%s-podman-%d", r.ID, n)})
		}
	}
	return found
}

// pacemaker asks the local node. Where no daemon of it is seen and it does not
// answer, it does not run, and keeps nothing running.
func (c *Client) pacemaker(ctx context.Context, host string, daemon bool) (manager Manager, runs bool) {
	manager.Name = "pacemaker"
	out, err := c.bounded(ctx, host, withSbin+"exec cibadmin --query --local --scope resources")
	if err != nil {
		manager.Problem = err
		return manager, daemon || ctx.Err() != nil
	}
	found, err := parseResources(out)
	if err != nil {
		manager.Problem = err
		return manager, true
	}
	var files []string
	for _, each := range found {
		if each.name == "" {
			files = append(files, each.file)
		}
	}
	names, err := c.namesIn(ctx, host, files)
	if err != nil {
		manager.Problem = err
	}
	for _, each := range found {
		name := each.name
		if name == "" {
			name = names[each.file]
		}
		if name == "" {
			name = bareName(each.file)
		}
		manager.Owns = append(manager.Owns, Owned{Guest: name, Resource: each.resource})
	}
	return manager, true
}
