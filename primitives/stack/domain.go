package stack

import (
	"encoding/xml"
	"fmt"
	"net/netip"
	"strings"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
)

// agentChannel is the name of the port that the guest agent listens on.
const agentChannel = "org.qemu.guest_agent.0"

// domain is what a domain's XML says that this package reads.
// Source: https://libvirt.org/formatdomain.html
type domain struct {
	kind  string // kvm, qemu, lxc, test
	macs  []primitives.MAC
	agent bool
	owner string // who starts it again; see ownerOf
}

// parseDomain reads a domain's XML. An address that is none is left out.
func parseDomain(text string) (domain, error) {
	var read struct {
		XMLName  xml.Name `xml:"domain"`
		Type     string   `xml:"type,attr"`
		Metadata struct {
			Inner []struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"metadata"`
		Devices struct {
			Interfaces []struct {
				MAC struct {
					Address string `xml:"address,attr"`
				} `xml:"mac"`
			} `xml:"interface"`
			Channels []struct {
				Target struct {
					Name  string `xml:"name,attr"`
					State string `xml:"state,attr"`
				} `xml:"target"`
			} `xml:"channel"`
		} `xml:"devices"`
	}
	if err := xml.Unmarshal([]byte(text), &read); err != nil {
		return domain{}, fmt.Errorf("the guest's XML cannot be read: %w", err)
	}
	d := domain{kind: read.Type}
	for _, element := range read.Metadata.Inner {
		if owner := ownerOf(element.XMLName.Space); owner != "" {
			d.owner = owner
		}
	}
	for _, nic := range read.Devices.Interfaces {
		if mac, err := primitives.ParseMAC(nic.MAC.Address); err == nil {
			d.macs = append(d.macs, mac)
		}
	}
	for _, channel := range read.Devices.Channels {
		if channel.Target.Name == agentChannel && channel.Target.State == "connected" {
			d.agent = true
		}
	}
	return d, nil
}

// owners are those that define guests of their own with libvirt and keep them
// running, by the XML namespaces of their elements in a guest's metadata, without
// the version at its end. Sources: nova/virt/libvirt/config.py of OpenStack Nova,
// lib/vdsm/virt/xmlconstants.py of oVirt's VDSM, and src/vmm/LibVirtDriverKVM.cc of
// OpenNebula.
var owners = map[string]string{
	"http://openstack.org/xmlns/libvirt/nova": "OpenStack Nova",
	"http://ovirt.org/vm":                     "oVirt",
	"http://opennebula.org/xmlns/libvirt":     "OpenNebula",
}

// ownerOf is empty for a namespace that is nobody's.
func ownerOf(namespace string) string {
	return owners[namespace[:max(0, strings.LastIndexByte(namespace, '/'))]]
}

// stateOf translates libvirt's state and reason. saved tells whether a domain
// that is off has an image that its next start resumes. A domain that is being
// migrated is Unknown: it may be running elsewhere by now.
// Source: virDomainState in https://libvirt.org/html/libvirt-libvirt-domain.html
func stateOf(state, reason int32, saved bool) (State, string) {
	switch libvirt.DomainState(state) {
	case libvirt.DomainRunning, libvirt.DomainBlocked:
		return Running, ""
	case libvirt.DomainPaused:
		return pausedState(libvirt.DomainPausedReason(reason))
	case libvirt.DomainShutdown:
		return ShuttingDown, ""
	case libvirt.DomainShutoff:
		if saved {
			return Saved, ""
		}
		return Off, ""
	case libvirt.DomainCrashed:
		return Crashed, ""
	case libvirt.DomainPmsuspended:
		return Suspended, ""
	case libvirt.DomainNostate:
		return Unknown, "libvirt says that it has no state"
	}
	return Unknown, fmt.Sprintf("libvirt's state %d is not known", state)
}

func pausedState(reason libvirt.DomainPausedReason) (State, string) {
	switch reason {
	case libvirt.DomainPausedMigration, libvirt.DomainPausedPostcopy, libvirt.DomainPausedPostcopyFailed:
		return Unknown, "paused by a migration: it may run on another host"
	case libvirt.DomainPausedShuttingDown:
		return ShuttingDown, ""
	case libvirt.DomainPausedCrashed:
		return Crashed, ""
	}
	return Paused, ""
}

// addressesOf gives the addresses by which a guest may be reached from another
// machine, each once.
func addressesOf(interfaces []libvirt.DomainInterface, known []netip.Addr) []netip.Addr {
	for _, nic := range interfaces {
		for _, entry := range nic.Addrs {
			address, err := netip.ParseAddr(entry.Addr)
			if err != nil || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified() {
				continue
			}
			known = appendNew(known, address.Unmap())
		}
	}
	return known
}

func appendNew(list []netip.Addr, address netip.Addr) []netip.Addr {
	for _, old := range list {
		if old == address {
			return list
		}
	}
	return append(list, address)
}
