package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ctys/primitives"
)

// Both scripts run as they are on this machine, whatever this machine has.
func TestManagersAreLookedForHere(t *testing.T) {
	client := New(Options{})
	list, err := client.Managers(context.Background(), "")
	if err != nil || list == nil {
		t.Errorf("%v, %v", list, err)
	}
	dir := t.TempDir()
	var files []string
	for name, text := range map[string]string{
		"a.xml":  "<domain type='kvm'>\n  <name>web &amp; 1</name>\n</domain>\n",
		"b.cfg":  "# name of it\nname = \"tst100\"\nuuid = \"x\"\n",
		"c.conf": "memory: 512\nname: mail\n[snap]\nname: old\n",
		"d.conf": "arch: amd64\nhostname: ct1\n",
		"e.conf": "arch: amd64\n",
	} {
		file := filepath.Join(dir, name)
		files = append(files, file)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := client.namesIn(context.Background(), "", append(files, filepath.Join(dir, "-n")))
	want := map[string]string{"a.xml": "web & 1", "b.cfg": "tst100", "c.conf": "mail", "d.conf": "ct1", "e.conf": ""}
	for name, want := range want {
		if got, there := names[filepath.Join(dir, name)]; got != want || !there {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err != nil || len(names) != len(want) {
		t.Errorf("%q, %v", names, err)
	}
}

// cluster is a host whose programs answer by these words of their command lines.
func cluster(answers map[string]string) Run {
	return func(_ context.Context, _ string, argv []string) (string, error) {
		line := strings.Join(argv, " ")
		for words, answer := range answers {
			if strings.Contains(line, words) {
				if text, fails := strings.CutPrefix(answer, "fails: "); fails {
					return "", errors.New(text)
				}
				return answer, nil
			}
		}
		return "", fmt.Errorf("%q was run", line)
	}
}

// The CIB's resources are what cibadmin of Pacemaker 2.1.5 (Debian 12) printed,
// from a file; the services of Proxmox are after its administration guide.
func TestManagers(t *testing.T) {
	recorded, err := os.ReadFile("testdata/cib-resources.xml")
	if err != nil {
		t.Fatal(err)
	}
	const services = "quorum OK\nmaster node1 (active, Wed Nov 23 11:07:23 2016)\nlrm node1 (active, Wed Nov 23 11:07:19 2016)\n" +
		"service ct:101 (node1, started)\nservice vm:100 (node1, request_stop)\nservice vm:102 (node1, ignored)\nservice vm:103 (node2, started)\nservice vm:104 (node1, error)\n"
	const down = "fails: cibadmin: Could not connect to the CIB: Transport endpoint is not connected" // recorded, exit status 102
	for _, test := range []struct {
		name    string
		answers map[string]string
		want    string // manager:guest=resource
		problem string
	}{
		{"nobody", map[string]string{"command -v": "end\n"}, "", ""},
		{"Pacemaker", map[string]string{"command -v": "pacemaker\npacemakerd\nend\n", "--scope resources": string(recorded),
			"grep -m1": "/srv/cluster/definition-7.xml\t  <name>db1</name>\n"},
			"pacemaker:web1=vm-web1 pacemaker:db1=vm-db1 pacemaker:ct9=ct pacemaker:httpd-podman-0=httpd pacemaker:httpd-podman-1=httpd pacemaker:cache=pod", ""},
		{"Pacemaker that does not run", map[string]string{"command -v": "pacemaker\nend\n", "--scope resources": down}, "", ""},
		{"Pacemaker that does not answer", map[string]string{"command -v": "pacemaker\npacemakerd\nend\n", "--scope resources": down}, "", "pacemaker does not say which guests it keeps running"},
		{"Pacemaker that says something else", map[string]string{"command -v": "pacemaker\nend\n", "--scope resources": "<cib/>"}, "", "begins with <cib>"},
		{"names that cannot be read", map[string]string{"command -v": "pacemaker\nend\n", "--scope resources": string(recorded), "grep -m1": "fails: no grep"},
			"pacemaker:web1=vm-web1 pacemaker:definition-7=vm-db1 pacemaker:ct9=ct pacemaker:httpd-podman-0=httpd pacemaker:httpd-podman-1=httpd pacemaker:cache=pod", "no grep"},
		{"Proxmox", map[string]string{"command -v": "proxmox-ha\nend\n", "ha-manager status": services,
			"grep -m1": "/etc/pve/lxc/101.conf\thostname: ct1\n/etc/pve/qemu-server/100.conf\tname: web1\n/etc/pve/qemu-server/104.conf\t\n"},
			"proxmox-ha:ct1=ct:101 proxmox-ha:web1=vm:100 proxmox-ha:VM 104=vm:104", ""},
		{"Proxmox that does not answer", map[string]string{"command -v": "proxmox-ha\nend\n", "ha-manager status": "fails: ipcc_send_rec failed: Connection refused"}, "", "Connection refused"},
		{"Proxmox with something new", map[string]string{"command -v": "proxmox-ha\nend\n", "ha-manager status": "quorum OK\nservice fa:1 (node1, started)\n"}, "", "not understood"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, err := New(Options{Run: cluster(test.answers)}).Managers(context.Background(), "")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			problem := ""
			for _, manager := range list {
				for _, owned := range manager.Owns {
					got = append(got, manager.Name+":"+owned.Guest+"="+owned.Resource)
				}
				if manager.Problem != nil {
					problem = manager.Problem.Error()
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), test.want)
			}
			if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("problem %q, want %q", problem, test.problem)
			}
		})
	}
	_, err = New(Options{Run: cluster(map[string]string{"command -v": "pacemaker\n"})}).Managers(context.Background(), "")
	if primitives.KindOf(err) != primitives.Internal {
		t.Errorf("a survey that was cut short: %v", err)
	}
}

// A primitive takes from its template what it does not say itself.
func TestResourceTemplates(t *testing.T) {
	got, err := parseResources(`<resources><template id="vm" class="ocf" provider="heartbeat" type="VirtualDomain"><meta_attributes id="m"><nvpair id="n" name="is-managed" value="true"/></meta_attributes></template>
<primitive id="a" template="vm"><instance_attributes id="i"><nvpair id="c" name="config" value="/vm/a.xml"/></instance_attributes></primitive>
<primitive id="b" template="vm"><meta_attributes id="bm"><nvpair id="bn" name="is-managed" value="false"/></meta_attributes><instance_attributes id="bi"><nvpair id="bc" name="config" value="/vm/b.xml"/></instance_attributes></primitive></resources>`)
	if want := []claim{{resource: "a", file: "/vm/a.xml"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Elements that OpenStack, oVirt and OpenNebula put into a guest's definition,
// written after the sources that package stack names; and some that are nobody's.
func TestOwnersOfDomains(t *testing.T) {
	for metadata, want := range map[string]string{
		`<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:name>a</nova:name></nova:instance>`:             "OpenStack Nova",
		`<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.0"/>`:                                                    "OpenStack Nova",
		`<ovirt-tune:qos xmlns:ovirt-tune="http://ovirt.org/vm/tune/1.0"/><ovirt-vm:vm xmlns:ovirt-vm="http://ovirt.org/vm/1.0"/>`:     "oVirt",
		`<one:vm xmlns:one="http://opennebula.org/xmlns/libvirt/1.0"/>`:                                                                "OpenNebula",
		`<libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"/><note xmlns="">ovirt.org/vm/1.0</note>`: "",
	} {
		got, err := parseDomain("<domain type='kvm'><name>a</name><metadata>" + metadata + "</metadata></domain>")
		if err != nil || got.owner != want {
			t.Errorf("%s: %q, want %q (%v)", metadata, got.owner, want, err)
		}
	}
}

func FuzzResources(f *testing.F) {
	recorded, err := os.ReadFile("testdata/cib-resources.xml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(recorded))
	f.Add(`<resources><bundle id="b"><podman replicas="99999999"/></bundle><clone><group><primitive type="Xen"/></group></clone></resources>`)
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseResources(text)
		for _, each := range found {
			if err != nil || each.name == "" && each.file == "" {
				t.Errorf("%+v, %v", each, err)
			}
		}
	})
}

func FuzzServices(f *testing.F) {
	f.Add("quorum OK\nservice vm:100 (node1, started)\n")
	f.Add("service ct:1 (a), b, ignored)\nlrm x (idle)\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseServices(text)
		for _, id := range list {
			if err != nil || !strings.HasSuffix(proxmoxFile(id), ".conf") || !strings.HasPrefix(proxmoxFile(id), "/etc/pve/") {
				t.Errorf("%q, %v", id, err)
			}
		}
	})
}
