package nic

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/ethtool"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

const pumbg = ethtool.PHY | ethtool.Unicast | ethtool.Multicast | ethtool.Broadcast | ethtool.Magic

var secureOn = []byte{0x00, 0x22, 0x44, 0x66, 0x88, 0xaa}

func TestArm(t *testing.T) {
	kernel := newFakeKernel(t, pumbg)
	kernel.set = uint32(ethtool.Unicast | ethtool.Broadcast)
	card := kernel.client(nil)
	want := Wake{Supported: "pumbg", Set: "g", Device: "enabled", Beyond: Beyond}
	for range 2 {
		got, err := card.Arm(t.Context(), Arming{Name: "eth0"})
		if err != nil || got.Wake != want || got.Driver != "e1000e" {
			t.Errorf("armed: got %+v, %v; want %+v", got, err, want)
		}
	}
	want.Set = "d"
	for range 2 {
		got, err := card.Disarm(t.Context(), "eth0")
		if err != nil || got.Wake != want {
			t.Errorf("disarmed: got %+v, %v; want %+v", got.Wake, err, want)
		}
	}
}

func TestArmWithAPassword(t *testing.T) {
	kernel := newFakeKernel(t, pumbg|ethtool.MagicSecure)
	got, err := kernel.client(nil).Arm(t.Context(), Arming{Name: "eth0", Password: secureOn})
	if err != nil || got.Wake.Set != "gs" || !bytes.Equal(kernel.password, secureOn) {
		t.Errorf("got %+v, %v; the card keeps %x", got.Wake, err, kernel.password)
	}
}

// What is wrong is found before anything is set, where it can be.
func TestArmRefuses(t *testing.T) {
	inBridge := func(card *Interface) { card.Master = "br0" }
	down := func(card *Interface) { card.Up = false }
	bridge := over(KindBridge, "br0", "eth0")
	other := Interface{Name: "eth1", Kind: KindPhysical, Driver: "igb", Wake: Wake{Supported: "pumbg"}}
	tests := []struct {
		name    string
		kernel  func(*fakeKernel)
		card    func(*Interface)
		others  []Interface
		request Arming
		kind    primitives.Kind
		says    []string
		sets    int
	}{
		{"no such name", nil, nil, nil, Arming{Name: "eth7"}, primitives.Invalid, []string{"eth7", "eth0"}, 0},
		{"a short password", nil, nil, nil, Arming{Name: "eth0", Password: secureOn[:4]}, primitives.Invalid, []string{"6 bytes, not 4"}, 0},
		{"no s", nil, nil, nil, Arming{Name: "eth0", Password: secureOn}, primitives.Unsupported,
			[]string{"eth0", "driver e1000e at 0000:00:03.0", "supports pumbg", "no s", "without a password"}, 0},
		{"no g", func(k *fakeKernel) { k.supported = uint32(ethtool.PHY) }, nil, nil, Arming{Name: "eth0"}, primitives.Unsupported,
			[]string{"driver e1000e", "supports p for", "no g", "firmware", "BMC"}, 0},
		{"no mode", func(k *fakeKernel) { k.supported = 0 }, nil, nil, Arming{Name: "eth0"}, primitives.Unsupported, []string{"no mode but d", "no g"}, 0},
		{"no modes at all", func(k *fakeKernel) { k.readErrno = unix.EOPNOTSUPP }, nil, nil, Arming{Name: "eth0"}, primitives.Unsupported,
			[]string{"operation not supported", "no g"}, 0},
		{"another card has g", func(k *fakeKernel) { k.supported = 0 }, nil, []Interface{other}, Arming{Name: "eth0"}, primitives.Unsupported,
			[]string{"eth1 (driver igb)"}, 0},
		{"a bridge", func(k *fakeKernel) { k.readErrno = unix.EOPNOTSUPP }, func(card *Interface) { *card = over(KindBridge, "br0", "eth1"); card.Index = 2 },
			[]Interface{other}, Arming{Name: "br0"}, primitives.Unsupported, []string{"a bridge interface", "Arm what carries it: eth1"}, 0},
		{"an account without rights", func(k *fakeKernel) { k.readErrno = unix.EPERM }, nil, nil, Arming{Name: "eth0"}, primitives.Denied, []string{"root", "CAP_NET_ADMIN"}, 0},
		{"the driver refuses", func(k *fakeKernel) { k.setErrno = unix.EOPNOTSUPP }, nil, nil, Arming{Name: "eth0"}, primitives.Unsupported,
			[]string{"supports pumbg", "refuses", "operation not supported"}, 0},
		{"the driver refuses in a bridge", func(k *fakeKernel) { k.setErrno = unix.EINVAL }, inBridge, []Interface{bridge}, Arming{Name: "eth0"}, primitives.Unsupported,
			[]string{"a port of bridge br0", "invalid argument", "take eth0 out of br0"}, 0},
		{"the driver refuses while down", func(k *fakeKernel) { k.setErrno = unix.EINVAL }, down, nil, Arming{Name: "eth0"}, primitives.Unsupported, []string{"ip link set eth0 up"}, 0},
		{"the driver fails", func(k *fakeKernel) { k.setErrno = unix.EIO }, nil, nil, Arming{Name: "eth0"}, primitives.Internal, []string{"input/output error", "dmesg"}, 0},
		{"it went away", func(k *fakeKernel) { k.setErrno = unix.ENODEV }, nil, nil, Arming{Name: "eth0"}, primitives.Invalid, []string{"gone"}, 0},
		{"it is not kept", func(k *fakeKernel) { k.forgets = true }, nil, nil, Arming{Name: "eth0"}, primitives.Internal, []string{"g was set, and reads back d"}, 1},
		{"it is not kept in a bridge", func(k *fakeKernel) { k.forgets = true }, inBridge, []Interface{bridge}, Arming{Name: "eth0"}, primitives.Unsupported,
			[]string{"g was set, and reads back d", "take eth0 out of br0"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kernel := newFakeKernel(t, pumbg)
			if test.kernel != nil {
				test.kernel(kernel)
			}
			_, err := kernel.client(test.card, test.others...).Arm(t.Context(), test.request)
			if primitives.KindOf(err) != test.kind {
				t.Fatalf("got %v, want kind %s", err, test.kind)
			}
			for _, words := range test.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v: it does not say %q", err, words)
				}
			}
			if behind := (devices{root: filepath.Join(kernel.tree.root, "class/net")}).of("eth0", 2); behind.wakeup != "disabled" {
				t.Errorf("a refusal has left its device %s", behind.wakeup)
			}
			if kernel.sets != test.sets {
				t.Errorf("it was set %d times", kernel.sets)
			}
		})
	}
}

func TestArmFindsAnotherPassword(t *testing.T) {
	kernel := newFakeKernel(t, ethtool.Magic|ethtool.MagicSecure)
	kernel.set, kernel.password, kernel.forgets = uint32(ethtool.Magic|ethtool.MagicSecure), make([]byte, 6), true
	_, err := kernel.client(nil).Arm(t.Context(), Arming{Name: "eth0", Password: secureOn})
	if primitives.KindOf(err) != primitives.Internal || !strings.Contains(err.Error(), "SecureOn") || strings.Contains(err.Error(), "22") {
		t.Errorf("got %v", err)
	}
}

func TestDisarmRefuses(t *testing.T) {
	for errno, kind := range map[syscall.Errno]primitives.Kind{unix.EOPNOTSUPP: primitives.Unsupported, unix.EPERM: primitives.Denied} {
		kernel := newFakeKernel(t, pumbg)
		kernel.setErrno = errno
		if _, err := kernel.client(nil).Disarm(t.Context(), "eth0"); primitives.KindOf(err) != kind || !strings.Contains(err.Error(), "e1000e") {
			t.Errorf("%v: got %v, want kind %s", errno, err, kind)
		}
	}
}

// A card is not armed where its device may not wake the machine, and is left as it
// was.
func TestArmNeedsAWritableDevice(t *testing.T) {
	kernel := newFakeKernel(t, pumbg)
	kernel.set = uint32(ethtool.Unicast)
	setting := filepath.Join(kernel.tree.root, "devices/pci0000:00/0000:00:03.0/power/wakeup")
	if err := os.Remove(setting); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/sys/kernel/random/boot_id", setting); err != nil { // nobody may write it
		t.Fatal(err)
	}
	_, err := kernel.client(nil).Arm(t.Context(), Arming{Name: "eth0"})
	if primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "its device cannot be let wake the machine") {
		t.Errorf("got %v, want kind denied", err)
	}
	if kernel.set != uint32(ethtool.Unicast) {
		t.Errorf("a refusal has set %s", letters(ethtool.WOLMode(kernel.set)))
	}
}
