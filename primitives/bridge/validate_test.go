package bridge

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample is a snapshot with something of all.
const sample = `{"version": 1, "boot_id": "b0071d",
 "bridge": {"name": "br0", "index": 5, "kind": "bridge", "mac": "02:00:5e:00:53:10", "mac_set": true, "mtu": 1500, "up": true,
  "settings": {"stp_state": "0", "vlan_filtering": "1", "group_fwd_mask": "0x0"}, "vlans": [{"first": 1, "last": 1, "pvid": true, "untagged": true}],
  "addresses": [{"prefix": "192.0.2.5/24", "broadcast": "192.0.2.255", "label": "br0:1", "valid": 4294967295, "preferred": 4294967295},
   {"prefix": "192.0.2.6/24", "label": "br0", "valid": 4294967295, "preferred": 4294967295},
   {"prefix": "192.0.2.9/32", "peer": "192.0.2.10", "valid": 300, "preferred": 200}, {"prefix": "2001:db8::5/64", "valid": 4294967295, "preferred": 4294967295}],
  "routes": [{"destination": "0.0.0.0/0", "table": 254, "type": 1, "protocol": 3, "metrics": "0800020078050000", "hops": [{"interface": "br0", "gateway": "192.0.2.1"}]},
   {"destination": "198.51.100.0/24", "table": 254, "type": 1, "protocol": 4, "hops": [{"interface": "br0", "gateway": "192.0.2.1", "weight": 1}, {"interface": "lan9", "weight": 256}]},
   {"destination": "2001:db8:1::/48", "table": 100, "type": 1, "protocol": 3, "hops": [{"interface": "br0", "gateway": "fe80::1"}]}]},
 "ports": [{"name": "eth0", "index": 2, "master": "br0", "mac": "02:00:5e:00:53:20", "mtu": 1500, "up": true, "settings": {"hairpin_mode": "0"},
   "vlans": [{"first": 1, "last": 1, "pvid": true, "untagged": true}, {"first": 10, "last": 20}], "fdb": [{"mac": "02:00:5e:00:53:77", "vlan": 10}]},
  {"name": "vif1", "index": 9, "master": "br0", "mac": "02:00:5e:00:53:30", "up": true}],
 "rules": [{"priority": 1000, "text": "from 192.0.2.6/32 lookup 100", "message": "020020006400000100000000"}]}`

func sampled(t testing.TB) Snapshot {
	t.Helper()
	var read Snapshot
	if err := json.Unmarshal([]byte(sample), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

var alike = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b Route) bool { return a.String() < b.String() })}

func TestASnapshotIsReadAsItWasWritten(t *testing.T) {
	first := sampled(t)
	text, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var second Snapshot
	if err := json.Unmarshal(text, &second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second, alike); diff != "" {
		t.Error(diff)
	}
}

// What is not as it was written is refused as a whole.
func TestACorruptSnapshotIsRefused(t *testing.T) {
	for _, change := range []struct{ from, to, says string }{
		{`"version": 1`, `"version": 2`, "version 2"},
		{`"boot_id": "b0071d"`, `"boot_id": ""`, "which boot"},
		{`"name": "br0"`, `"name": "../br0"`, "no name of an interface"},
		{`"name": "eth0"`, `"name": "a name that is too long"`, "no name of an interface"},
		{`"name": "vif1"`, `"name": "eth0"`, "no port of"},
		{`"master": "br0"`, `"master": "br1"`, "no port of"},
		{`"index": 5`, `"index": 0`, "no index"},
		{`"mtu": 1500`, `"mtu": -1`, "MTU"},
		{`"stp_state"`, `"../../../../kernel/x"`, "unknown setting"},
		{`"stp_state": "0"`, `"stp_state": "1\n2"`, "unknown setting"},
		{`"hairpin_mode"`, `"stp_state"`, "unknown setting"},
		{`"first": 10, "last": 20`, `"first": 10, "last": 4095`, "VLANs"},
		{`"first": 10, "last": 20`, `"first": 1, "last": 20`, "VLANs"},
		{`"first": 10, "last": 20`, `"first": 10, "last": 10, "pvid": true`, "more than one PVID"},
		{`"vlan": 10`, `"vlan": 5000`, "VLAN 5000"},
		{`"02:00:5e:00:53:10"`, `"02:00"`, "no MAC address"},
		{`"192.0.2.5/24"`, `"192.0.2.5"`, "netip"},
		{`"prefix": "192.0.2.5/24"`, `"prefix": ""`, "no address"},
		{`"broadcast": "192.0.2.255"`, `"broadcast": "2001:db8::1"`, "another family"},
		{`"peer": "192.0.2.10"`, `"peer": "fe80::1%br0"`, "another family"},
		{`"br0:1"`, `"br0:1 and more of it"`, "label"},
		{`"198.51.100.0/24"`, `"198.51.100.1/24"`, "no network"},
		{`"table": 254`, `"table": 0`, "no table"},
		{`"gateway": "fe80::1"`, `"gateway": "fe80::1%br0"`, "gateway"},
		{`"weight": 256`, `"weight": 257`, "weight"},
		{`"interface": "lan9"`, `"interface": "lan/9"`, "no name of an interface"},
		{`"hops": [{"interface": "br0", "gateway": "fe80::1"}]`, `"hops": []`, "0 ways out"},
		{`"0800020078050000"`, `"0800"`, "no message"},
		{`"020020006400000100000000"`, `"0200"`, "no message"},
		{`"020020006400000100000000"`, `"zz"`, "no message"},
		{`"rules"`, `"orders"`, "unknown field"},
		{`"mtu": 1500`, `"mtu": "1500"`, "cannot unmarshal"},
		{sample, `null`, "version 0"},
		{sample, `[]`, "cannot unmarshal"},
		{`"up": true}]`, `"up": true}`, "invalid character"},
	} {
		text := strings.Replace(sample, change.from, change.to, 1)
		read := Snapshot{BootID: "as it was"}
		err := json.Unmarshal([]byte(text), &read)
		if text == "null" { // the JSON package asks nobody
			err = Snapshot{}.check()
		}
		if err == nil || !strings.Contains(err.Error(), change.says) {
			t.Errorf("%s → %s: %v; it does not say %q", change.from, change.to, err, change.says)
		}
		if read.BootID != "as it was" {
			t.Errorf("%s → %s: something was taken over", change.from, change.to)
		}
	}
}

// A file that somebody has changed never makes a panic, and what is read is
// whole: it can be written and read again, and makes steps with names.
func FuzzSnapshot(f *testing.F) {
	f.Add(sample)
	f.Add(`{"version": 1, "boot_id": "x", "bridge": {"name": "b", "index": 1}}`)
	f.Add(`{"version": 1, "bridge": {"addresses": [{"prefix": "::ffff:1.2.3.4/96"}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var read Snapshot
		if json.Unmarshal([]byte(text), &read) != nil || read.check() != nil {
			return
		}
		again, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		var second Snapshot
		if err := json.Unmarshal(again, &second); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		gone := Snapshot{Bridge: Link{Name: read.Bridge.Name}, Ports: read.clone().Ports}
		steps := append(read.Dissolution(read, "eth0"), read.Restoration(gone)...)
		for _, step := range steps {
			if name := step.String(); name == "" || name == unknownSteps {
				t.Errorf("%+v has no name", step)
			}
			gone = gone.After(step)
		}
	})
}
