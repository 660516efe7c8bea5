package policy

import (
	"strings"
	"testing"

	"ctys/primitives/sim"
)

func TestTheWayBackThatIsKept(t *testing.T) {
	for _, test := range []struct {
		subopts, row string
		want         map[string]any
		sent         string
	}{
		{"self,wol,poweroff:0", "", map[string]any{"method": "raw", "address": nil}, "by ethernet to ff:ff:ff:ff:ff:ff"},
		{"self,wol,broadcast:,poweroff:0", "", map[string]any{"method": "udp", "address": "10.1.0.255", "port": nil}, "by udp to 10.1.0.255:9"},
		{"self,wol,broadcast:,poweroff:0", "broadcast_port = 7", map[string]any{"method": "udp", "address": "10.1.0.255", "port": 7.0}, "by udp to 10.1.0.255:7"},
		{"self,wol,broadcast:10.1.0.255:4711,poweroff:0", "", map[string]any{"method": "udp", "address": "10.1.0.255", "port": 4711.0}, "by udp to 10.1.0.255:4711"},
		{"self,wol,poweroff:0", `broadcast = "10.1.0.255"`, map[string]any{"method": "udp", "address": "10.1.0.255"}, "by udp to 10.1.0.255:9"},
		{"self,wol,init:0,timeout:30", "", map[string]any{"method": "raw"}, "by ethernet"},
		{"self,wol,if:eth0,poweroff:0", "", map[string]any{"method": "raw", "subnet": "10.1.0.0/24"}, "by ethernet"},
		{"self,wol,poweroff:0", `waker = "host02"`, map[string]any{"method": "raw", "by": "host02"}, "by ethernet"},
	} {
		s := hosts(t, nil)
		s.row("host01", test.row)
		s.exits(s.cancel("pm", test.subopts, "host01"), 0)
		s.off("host01")
		back := s.wayBack("host01")
		for key, value := range test.want {
			if back[key] != value {
				t.Errorf("%s: kept %s = %v, want %v", test.subopts, key, back[key], value)
			}
		}
		s.exits(s.create("pm", "wol,l:host01"), 0)
		s.up("host01")
		sent := s.sent()
		if len(sent) != 1 || !strings.Contains(sent[0], test.sent) {
			t.Errorf("%s: sent %q, want %s", test.subopts, sent, test.sent)
		}
		if by, _ := test.want["by"].(string); by != "" && !strings.HasPrefix(sent[0], by+" ") {
			t.Errorf("%s: sent by %q, not by %s", test.subopts, sent[0], by)
		}
	}
}

// The request wins over what was kept, that over the inventory.
func TestWhichWayIsTaken(t *testing.T) {
	for subopts, want := range map[string]string{
		"wol,l:host01":                         "by udp to 10.1.0.255:9",
		"wol,l:host01,broadcast:":              "by udp to 10.1.0.255:9",
		"wol,l:host01,broadcast:10.1.0.1":      "by udp to 10.1.0.1:9",
		"wol,l:host01,if:eth0":                 "by ethernet",
		"wol,l:host01,broadcast:,port:7":       "by udp to 10.1.0.255:7",
		"wol,t:10.1.0.1":                       "by udp to 10.1.0.255:9",
		"wol,m:02:00:00:00:00:09,t:10.1.0.1":   "by udp to 10.1.0.255:9",
		"reuse,l:host01,ping:off":              "by udp to 10.1.0.255:9",
		"wol,l:host01,broadcast:10.1.0.255:99": "by udp to 10.1.0.255:99",
	} {
		s := hosts(t, nil)
		s.exits(s.cancel("pm", "self,wol,broadcast:,poweroff:0", "host01"), 0)
		s.rows["host01"] = `broadcast = "10.9.9.255"`
		typed := strings.Contains(subopts, "m:02:")
		if typed {
			s.row("host01", `broadcast = "10.9.9.255"`)
			subopts += ",ping:off"
		}
		s.exits(s.create("pm", subopts), 0)
		sent := s.sent()
		if len(sent) != 1 || !strings.Contains(sent[0], want) {
			t.Errorf("%s: sent %q, want %s\n%s", subopts, sent, want, s.story())
		}
		if woken := s.world.State("host01").Phase != sim.Off; woken == typed {
			t.Errorf("%s: woken is %v, although the MAC was typed: %v", subopts, woken, typed)
		}
	}
}

// A machine that the inventory does not know is found by the name that it was
// taken down by.
func TestAMachineWithoutARowIsWokenByWhatWasKept(t *testing.T) {
	for _, address := range []string{"l:10.1.0.1", "t:10.1.0.1"} {
		s := hosts(t, nil)
		s.instead = map[string]string{"host01": "", "web1": ""}
		s.exits(s.cancel("pm", "self,wol,poweroff:0", "10.1.0.1"), 0)
		s.off("host01")
		s.exits(s.create("pm", "wol,"+address), 0)
		s.up("host01")
	}
}

// A machine of the inventory that was typed by its address is found by its name.
func TestWhatWasKeptOfAnAddressIsFoundByTheName(t *testing.T) {
	s := hosts(t, nil)
	s.row("host01", "")
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "10.1.0.1"), 0)
	s.off("host01")
	s.exits(s.create("pm", "wol,l:host01"), 0)
	s.up("host01")
	s.world.PowerOff("host01")
	s.exits(s.wakes("host01"), 0)
	s.powered("host01")
}

// What was kept of a machine of the same name in another inventory, or is
// damaged, is told and not used.
func TestWhatIsKeptOfAnotherMachineIsNotUsed(t *testing.T) {
	good := map[string]any{"method": "udp", "mac": "02:00:00:00:00:07", "address": "10.9.9.255"}
	for what, record := range map[string]map[string]any{
		"is of a machine with the address 10.7.7.7": {"address": "10.7.7.7", "way_back": good},
		"says nothing of how it is woken":           {"way_back": map[string]any{"method": "udp", "mac": "02:00:00:00:00:07"}},
		"says nothing of how":                       {"way_back": map[string]any{"method": "raw", "mac": "no mac"}},
		"says nothing of":                           {"way_back": map[string]any{"method": "raw"}},
		"says nothing":                              {"way_back": "raw"},
	} {
		s := rack(t)
		if err := s.kept.Keep("lab02", record); err != nil {
			t.Fatal(err)
		}
		s.exits(s.create("pm", "wol,l:lab02"), 0)
		s.up("lab02")
		s.told(what, "not used")
	}
}

// A card that was changed since has another address, which only its row knows; the
// one before may be in another machine now.
func TestTheWayBackOfACardThatWasChangedIsNotUsed(t *testing.T) {
	s := hosts(t, nil)
	s.row("host01", `mac = "02-00-00-00-00-07"`)
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 0)
	s.row("host01", `mac = "02:00:00:00:00:07"`)
	s.exits(s.wakes("l:host01"), 0)
	s.powered("host01")
	s.row("host01", `mac = "02:00:00:00:00:99"`)
	for _, wake := range []func(){
		func() { s.exits(s.create("pm", "reuse,wol,l:host01,ping:off"), 0) },
		func() { s.exits(s.wakes("l:host01"), 0) },
	} {
		s.world.PowerOff("host01")
		s.events = nil
		wake()
		s.off("host01")
		s.told("02:00:00:00:00:99 by ethernet", "of a machine with the MAC 02:00:00:00:00:07, and is not used")
	}
}

// A row may say who sends the packet, where no TARGET does.
func TestTheWakerOfARowSends(t *testing.T) {
	for target, by := range map[string]string{"": "lab03", "lab01": "lab01"} {
		s := rack(t)
		s.rows["lab02"] = `waker = "lab03"`
		if target == "" {
			s.exits(s.create("pm", "wol,l:lab02"), 0)
		} else {
			s.exits(s.create("pm", "wol,l:lab02", target), 0)
		}
		s.up("lab02")
		if sent := s.sent(); len(sent) != 1 || !strings.HasPrefix(sent[0], by+" ") {
			t.Errorf("sent %q, not by %s", sent, by)
		}
	}
}
