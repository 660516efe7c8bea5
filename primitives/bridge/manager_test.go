package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// host is a bridge br0 with the ports eth0 and vif1.0.
var host = Snapshot{
	Bridge: Link{Name: "br0", Index: 5},
	Ports:  []Link{{Name: "eth0", Index: 2, Master: "br0"}, {Name: "vif1.0", Index: 9, Master: "br0"}},
}

// tree writes files below a folder of its own.
func tree(t *testing.T, content map[string]string) files {
	t.Helper()
	root := t.TempDir()
	for path, text := range content {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files{root: root}
}

const (
	nmRuns       = "/proc/812/comm"
	bridgeByNM   = "[connection]\nid=bridge\nuuid=1\ntype=bridge\ninterface-name=br0\n\n[bridge]\nstp=false\n"
	portByNM     = "# a port\n[connection]\nid=card\ntype=ethernet\ncontroller=br0\nport-type=bridge\n"
	someoneElses = "[connection]\nid=wifi\ninterface-name=wlan0\n"
)

func TestManagers(t *testing.T) {
	for name, test := range map[string]struct {
		files  map[string]string
		want   []Manager // without their advice
		advice string
	}{
		"nobody": {files: map[string]string{
			nmRuns: "NetworkManager\n", "/etc/NetworkManager/system-connections/wifi.nmconnection": someoneElses,
			"/etc/systemd/network/lan.network": "[Match]\nName=enp*\n[Network]\nDHCP=yes\n", "/etc/network/interfaces": "auto lo\niface lo inet loopback\n",
		}},
		"NetworkManager": {
			files: map[string]string{
				nmRuns: "NetworkManager\n",
				"/etc/NetworkManager/system-connections/br0.nmconnection":  bridgeByNM,
				"/run/NetworkManager/system-connections/card.nmconnection": portByNM,
				"/run/NetworkManager/devices/5":                            "[device]\nmanaged=true\nconnection-uuid=1\n",
				"/run/NetworkManager/devices/9":                            "[device]\nmanaged=false\n",
			},
			want: []Manager{{Name: "NetworkManager", Running: true, FightsBack: true, Seen: []string{
				"/etc/NetworkManager/system-connections/br0.nmconnection", "/run/NetworkManager/system-connections/card.nmconnection",
				"/run/NetworkManager/devices/5: it manages br0",
			}}},
			advice: "nmcli device set br0 managed no",
		},
		"NetworkManager that was told to leave them alone": {
			files: map[string]string{
				nmRuns: "NetworkManager\n", "/etc/NetworkManager/system-connections/br0.nmconnection": bridgeByNM,
				"/run/NetworkManager/devices/5": "[device]\nmanaged=false\n", "/run/NetworkManager/devices/2": "[device]\nmanaged=false\n",
				"/run/NetworkManager/devices/9": "[device]\nmanaged=false\n",
			},
			want:   []Manager{{Name: "NetworkManager", Running: true, Seen: []string{"/etc/NetworkManager/system-connections/br0.nmconnection"}}},
			advice: "leaves the bridge and its ports alone",
		},
		"scripts of another time": {
			files:  map[string]string{"/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=\"eth0\"\nONBOOT=yes\nBRIDGE=br0\n"},
			want:   []Manager{{Name: "NetworkManager", Seen: []string{"/etc/sysconfig/network-scripts/ifcfg-eth0"}}},
			advice: "does not run",
		},
		"systemd-networkd": {
			files: map[string]string{
				"/proc/77/comm":                     "systemd-network\n", // 15 letters
				"/etc/systemd/network/br0.netdev":   "[NetDev]\nName=br0\nKind=bridge\n",
				"/etc/systemd/network/card.network": "[Match]\nName=eth* enp*\n[Network]\nBridge=br0\n",
				"/run/systemd/netif/links/5":        "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=routable\nNETWORK_FILE=/etc/systemd/network/br0.network\n",
				"/run/systemd/netif/links/9":        "ADMIN_STATE=unmanaged\n",
			},
			want: []Manager{{Name: "systemd-networkd", Running: true, FightsBack: true, Seen: []string{
				"/etc/systemd/network/card.network", "/etc/systemd/network/br0.netdev", "/run/systemd/netif/links/5: br0 is configured /etc/systemd/network/br0.network",
			}}},
			advice: "systemctl stop systemd-networkd.socket",
		},
		"a unit that another takes the place of": {
			files: map[string]string{
				"/etc/systemd/network/10.network": "[Match]\nName=lan7\n", "/usr/lib/systemd/network/10.network": "[Match]\nName=eth0\n",
				"/run/systemd/network/20.network": "[Match]\nName=br?\n",
			},
			want:   []Manager{{Name: "systemd-networkd", Seen: []string{"/run/systemd/network/20.network"}}},
			advice: "does not run",
		},
		"ifupdown": {
			files: map[string]string{
				"/etc/network/interfaces":       "# the host\nsource interfaces.d/*\nauto lo\niface lo inet loopback\n",
				"/etc/network/interfaces.d/br0": "auto br0\niface br0 inet static\n  bridge_ports eth0 regex vif.*\n  source /etc/network/interfaces\n",
				"/run/network/ifstate":          "lo=lo\nbr0=br0\n",
			},
			want:   []Manager{{Name: "ifupdown", Seen: []string{"/etc/network/interfaces.d/br0", "/run/network/ifstate: br0 is up"}}},
			advice: "do not call ifup or ifdown",
		},
		"ports of another bridge's name": {
			files:  map[string]string{"/etc/network/interfaces": "iface lan inet manual\n\tbridge-ports eth*\n"},
			want:   []Manager{{Name: "ifupdown", Seen: []string{"/etc/network/interfaces"}}},
			advice: "only when it is called",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := managers(tree(t, test.files), host)
			for i := range got {
				if !strings.Contains(got[i].Advice, test.advice) {
					t.Errorf("advice: %s", got[i].Advice)
				}
				got[i].Advice = ""
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever stands in the files of managers, they are read to their end.
func FuzzManagers(f *testing.F) {
	f.Add(bridgeByNM)
	f.Add("[Match]\nName=[\n[")
	f.Add("source *\nsource-directory ..\niface\nauto br0")
	f.Add("=\n[]\n[x\n\"='\"")
	f.Fuzz(func(t *testing.T, text string) {
		system := tree(t, map[string]string{
			"/etc/NetworkManager/system-connections/x": text, "/etc/systemd/network/x.network": text, "/etc/network/interfaces": text,
			"/run/systemd/netif/links/5": text, "/run/NetworkManager/devices/5": text, "/run/network/ifstate": text, "/proc/1/comm": text,
		})
		for _, found := range managers(system, host) {
			if found.Advice == "" || len(found.Seen) == 0 {
				t.Errorf("%+v", found)
			}
		}
	})
}
