//go:build linux

package guests

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
)

// readyLimit bounds the boot of a guest on a machine that is busy with others.
const readyLimit = 90 * time.Second

// Trait is something that a guest does or has.
type Trait string

// The traits. A guest without any ignores its power button.
const (
	HonoursACPI Trait = "acpi"  // the power button shuts it down
	HasAgent    Trait = "agent" // it has the channel of a guest agent, and an agent that shuts down, reboots and tells AgentAddress
	DeadAgent   Trait = "dead"  // it has the channel, and an agent that is connected and never answers
)

// AgentAddress is what the agent of each guest tells as the guest's address.
const AgentAddress = "192.0.2.7"

// Guest is a QEMU guest or a container that a Libvirtd has defined.
type Guest struct {
	Name    string
	UUID    string
	MAC     string
	URI     string // its hypervisor, as ctys calls it
	Console string // a file with all that it wrote on its serial console since its start

	libvirtd *Libvirtd
	driver   string
	agent    bool // it has one, alive or dead
}

// DefineGuest defines a persistent guest; it is off.
func (l *Libvirtd) DefineGuest(t testing.TB, name string, traits ...Trait) *Guest {
	t.Helper()
	image := BuildGuest(t)
	guest := l.newGuest("qemu", name)
	guest.agent = slices.Contains(traits, HasAgent) || slices.Contains(traits, DeadAgent)
	if err := guest.define(domainXML(guest, image, traits)); err != nil {
		t.Fatal(err)
	}
	return guest
}

func (l *Libvirtd) newGuest(driver, name string) *Guest {
	var random [16]byte
	_, _ = rand.Read(random[:])
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	digits := hex.EncodeToString(random[:])
	return &Guest{
		Name: name,
		UUID: strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-"),
		// the range that QEMU and libvirt use
		MAC:      fmt.Sprintf("52:54:00:%02x:%02x:%02x", random[0], random[1], random[2]),
		URI:      l.URI(driver),
		Console:  filepath.Join(l.Folder, name+".console"),
		libvirtd: l,
		driver:   driver,
	}
}

// domainXML is the definition of a QEMU guest.
// Source: https://libvirt.org/formatdomain.html
func domainXML(guest *Guest, image Image, traits []Trait) string {
	words, channel := "", ""
	for _, trait := range traits {
		words += fmt.Sprintf(" guest.%s=yes", trait)
		if trait != HonoursACPI {
			channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
		}
	}
	return fmt.Sprintf(`<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>%s</kernel><initrd>%s</initrd>
<cmdline>console=ttyS0 quiet mitigations=off nokaslr no_timer_check cryptomgr.notests panic=-1%s</cmdline></os>
<features><acpi/></features><cpu mode='custom' match='minimum'><model>qemu64</model></cpu>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>%s
<interface type='user'><mac address='%s'/><model type='e1000'/></interface>
<serial type='file'><source path='%s'/></serial></devices></domain>`,
		guest.Name, guest.UUID, image.Kernel, image.Initrd, words, channel, guest.MAC, guest.Console)
}

func (g *Guest) define(xml string) error {
	g.libvirtd.mu.Lock()
	g.libvirtd.guests = append(g.libvirtd.guests, g)
	g.libvirtd.mu.Unlock()
	return g.libvirtd.on(g.driver, func(r *rpc) error {
		_, err := r.DomainDefineXML(xml)
		return err
	})
}

// Start starts the guest, without ctys.
func (g *Guest) Start(t testing.TB) {
	t.Helper()
	err := g.do(func(r *rpc, domain libvirt.Domain) error { return r.DomainCreate(domain) })
	if err != nil {
		t.Fatalf("start %s: %v", g.Name, err)
	}
}

// WaitReady waits until the guest has booted as often as said since its start,
// once, or more after a reboot, and until libvirt has found its agent.
func (g *Guest) WaitReady(t testing.TB, boots ...int) {
	t.Helper()
	wanted := 1
	if len(boots) > 0 {
		wanted = boots[0]
	}
	deadline := time.Now().Add(readyLimit)
	for g.Boots() < wanted || g.agent && !g.agentConnected() {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready after %s; its console:\n%s", g.Name, readyLimit, g.consoleText())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (g *Guest) agentConnected() bool {
	var text string
	err := g.do(func(r *rpc, domain libvirt.Domain) (err error) {
		text, err = r.DomainGetXMLDesc(domain, 0)
		return err
	})
	return err == nil && strings.Contains(text, "org.qemu.guest_agent.0' state='connected'")
}

// Boots counts how often the guest became ready since its start.
func (g *Guest) Boots() int { return strings.Count(g.consoleText(), "guest: ready") }

func (g *Guest) consoleText() string {
	content, err := os.ReadFile(g.Console)
	if err != nil {
		return ""
	}
	return string(content)
}

// Running asks libvirt, without ctys, whether the guest is in a state other
// than off.
func (g *Guest) Running(t testing.TB) bool {
	t.Helper()
	var active int32
	err := g.do(func(r *rpc, domain libvirt.Domain) (err error) {
		active, err = r.DomainIsActive(domain)
		return err
	})
	if err != nil {
		t.Fatalf("state of %s: %v", g.Name, err)
	}
	return active == 1
}

// Off makes sure, without ctys, that the guest is off and has no saved image.
func (g *Guest) Off(t testing.TB) {
	t.Helper()
	_ = g.do(func(r *rpc, domain libvirt.Domain) error {
		_ = r.DomainManagedSaveRemove(domain, 0)
		return r.DomainDestroy(domain)
	})
	if g.Running(t) {
		t.Fatalf("%s cannot be destroyed", g.Name)
	}
}

// remove destroys and undefines the guest.
func (g *Guest) remove() error {
	return g.do(func(r *rpc, domain libvirt.Domain) error {
		_ = r.DomainDestroy(domain)
		return r.DomainUndefineFlags(domain, libvirt.DomainUndefineManagedSave)
	})
}

func (g *Guest) do(with func(*rpc, libvirt.Domain) error) error {
	return g.libvirtd.on(g.driver, func(r *rpc) error {
		domain, err := r.DomainLookupByName(g.Name)
		if err != nil {
			return err
		}
		return with(r, domain)
	})
}

// rpc is a connection of the rig itself, so that it does not depend on what it
// is there to test.
type rpc = libvirt.Libvirt

func (l *Libvirtd) on(driver string, work func(*rpc) error) error {
	uri, _, _ := strings.Cut(l.URI(driver), "?")
	connection, err := net.Dial("unix", l.Socket)
	if err != nil {
		return err
	}
	// a libvirtd that hangs must not hang the tests
	if err := connection.SetDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	client := libvirt.NewWithDialer(dialers.NewAlreadyConnected(connection))
	if err := client.ConnectToURI(libvirt.ConnectURI(uri)); err != nil {
		connection.Close()
		return err
	}
	defer func() { _ = client.Disconnect() }()
	return work(client)
}
