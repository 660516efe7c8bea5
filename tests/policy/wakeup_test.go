package policy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/luabind/simulated"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// wakeup runs "ctys wakeup WORDS…" at the desk.
func (s *scene) wakeup(words ...string) (exit int, err error) {
	s.t.Helper()
	path := simulated.Path(s.overrides)
	source, err := luabind.Find(path, "wakeup")
	if err != nil {
		s.t.Fatal(err)
	}
	head, err := luabind.ReadHead(path, source)
	if err != nil {
		s.t.Fatal(err)
	}
	arguments, err := head.Parse(words)
	if err != nil {
		return -1, err
	}
	authority := head.Authority()
	runtime := luabind.New(simulated.Desk(s.world, s.desk, s.kept), luabind.Options{
		Authority: &authority,
		Machines:  s.kept,
		Inventory: s.inventory(),
		Settings:  s.site,
		Plan:      s.plan || head.Plans(arguments),
		Stdin:     strings.NewReader("00:22:44:66:88:aa\nmore\n"),
		Events:    func(event luabind.Event) { s.events = append(s.events, event) },
	})
	result, err := runtime.CallScript(context.Background(), "wakeup", "action", map[string]any{
		"action": "wakeup", "arguments": arguments, "targets": []any{}, "options": map[string]any{},
	})
	if err != nil {
		return -1, err
	}
	code, _ := result.(map[string]any)["exit"].(float64)
	return int(code), nil
}

func (s *scene) wakes(words ...string) int {
	s.t.Helper()
	exit, err := s.wakeup(words...)
	if err != nil {
		s.t.Fatalf("wakeup %v: %v\n%s", words, err, s.story())
	}
	return exit
}

func lab02(t *testing.T, s *scene) sim.Machine {
	t.Helper()
	m, ok := s.world.Machine("lab02")
	if !ok {
		t.Fatal("the rack has no lab02")
	}
	return m
}

func TestWakeupTakesEveryNotation(t *testing.T) {
	mac := lab02(t, rack(t)).MAC.String()
	bare := strings.ReplaceAll(mac, ":", "")
	for _, word := range []string{
		mac, strings.ToUpper(mac), strings.ReplaceAll(mac, ":", "-"), bare, "0x" + bare,
		bare[:4] + "." + bare[4:8] + "." + bare[8:], "m:" + mac, "l:lab02", "L:lab02", "t:127.77.0.2", "t:lab02", "dbrec:2", "lab02",
		"u:" + lab02(t, rack(t)).UUID,
	} {
		s := rack(t)
		s.exits(s.wakes(word), 0)
		if sent := s.sent(); len(sent) != 1 || !strings.Contains(sent[0], "by ethernet to ff:ff:ff:ff:ff:ff") {
			t.Errorf("%s: sent %q", word, sent)
		}
		s.powered("lab02")
		if s.world.State("lab02").Phase == sim.Up {
			t.Errorf("%s: it waited", word)
		}
	}
}

func TestWakeupWays(t *testing.T) {
	mac := lab02(t, rack(t)).MAC.String()
	for _, test := range []struct {
		words []string
		want  []string
	}{
		{[]string{"-i", "eth3", mac}, []string{"ff:ff:ff:ff:ff:ff"}},
		{[]string{"-u", mac}, []string{mac}},
		{[]string{"-t", "127.77.0.255", mac}, []string{"127.77.0.255:9"}},
		{[]string{mac, "-p", "4711", "-t", "127.77.0.255"}, []string{"127.77.0.255:4711"}},
		{[]string{"-t", "127.77.0.255", "-r", "3", mac}, []string{"127.77.0.255:9", "127.77.0.255:9", "127.77.0.255:9"}},
		{[]string{"-t", "127.77.0.255", "l:lab02", "02:00:00:00:00:01"}, []string{"127.77.0.255:9", "127.77.0.255:9"}},
	} {
		s := rack(t)
		s.exits(s.wakes(test.words...), 0)
		s.powered("lab02")
		sent := s.sent()
		if len(sent) != len(test.want) {
			t.Errorf("%v: sent %q", test.words, sent)
			continue
		}
		for i, want := range test.want {
			if !strings.HasSuffix(sent[i], " to "+want) {
				t.Errorf("%v: sent %q, want to %s", test.words, sent[i], want)
			}
		}
	}
}

func TestWakeupOfAMachineThatTheInventoryDoesNotKnow(t *testing.T) {
	s := rack(t)
	s.exits(s.wakes("m:02-00-00-00-00-98"), 0)
	s.told("102 bytes for 02:00:00:00:00:98")
}

func TestWakeupShowsPacketAndWay(t *testing.T) {
	for _, option := range []string{"-n", "--plan", "--dry"} {
		s := rack(t)
		s.exits(s.wakes(option, "-t", "127.77.0.255", "5254.0012.3456"), 0)
		s.told(strings.Repeat("f", 12)+strings.Repeat("525400123456", 16), "127.77.0.255 port 9")
		if len(s.sent()) > 0 {
			t.Errorf("%s: sent %q", option, s.sent())
		}
	}
}

func TestWakeupWithAPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secureon")
	if err := os.WriteFile(file, []byte("192.168.1.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string]string{file: "106 bytes", "-": "108 bytes"} {
		s := rack(t)
		s.exits(s.wakes("-s", name, "l:lab02", "l:lab03"), 0)
		s.told(bytes+" for", "crosses the wire in clear")
		for _, secret := range []string{"192.168.1.1", "00:22:44:66:88:aa"} {
			if strings.Contains(s.story(), secret) {
				t.Errorf("the password is in what the user is told:\n%s", s.story())
			}
		}
	}
}

func TestBadWakeups(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("no-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := "02:00:00:00:00:01"
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{}, "missing"},
		{[]string{good, "52:54:00:12:34"}, "52:54:00:12:34"},
		{[]string{good, "52:54:00:12:34:5g"}, "52:54:00:12:34:5g"},
		{[]string{good, "52:54-00:12:34:56"}, "52:54-00:12:34:56"},
		{[]string{good, "nobody"}, "nobody"},
		{[]string{good, "l:nobody"}, "l:nobody"},
		{[]string{good, "m:zz"}, "zz"},
		{[]string{good, "x:lab02"}, "x"},
		{[]string{good, ""}, "neither a MAC"},
		{[]string{good, "00:00:00:00:00:00"}, "00:00:00:00:00:00"},
		{[]string{"-i", "eth0", "-t", "10.0.0.1", good}, "-t"},
		{[]string{"-p", "9", good}, "-p"},
		{[]string{"-u", "-t", "10.0.0.1", good}, "-u"},
		{[]string{"-t", "10.0.0.1", "-p", "0", good}, "-p"},
		{[]string{"-t", "10.0.0.1", "-p", "65536", good}, "-p"},
		{[]string{"-r", "0", good}, "-r"},
		{[]string{"-s", "00:22:44:66:88:aa", good}, "not the password itself"},
		{[]string{"-s", "192.168.1.1", good}, "not the password itself"},
		{[]string{"-s", bad, good}, "SecureOn"},
		{[]string{"-q", good}, "-q"},
		{[]string{"-t", "10.0.0.1/32", good}, "10.0.0.1/32"},
		{[]string{"-t", "10.0.0.1/x", good}, "no directed broadcast address"},
		{[]string{"-u", "-b", good}, "-u"},
		{[]string{"-b", good}, "no IPv4 address of eth0"},
	} {
		s := rack(t)
		exit, err := s.wakeup(test.words...)
		if err == nil {
			t.Errorf("%q: exit %d, want an error", test.words, exit)
			continue
		}
		kind := primitives.KindOf(err)
		var script *luabind.ScriptError
		if errors.As(err, &script) {
			kind = script.Kind
		}
		if kind != primitives.Invalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %s: %v, want invalid with %q", test.words, kind, err, test.want)
		}
		if len(s.sent()) > 0 {
			t.Errorf("%q: sent %q", test.words, s.sent())
		}
	}
}

func TestAWakeupThatIsNotSent(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Power: "wol", Count: 1, Kind: primitives.Denied, Message: "needs CAP_NET_RAW"})
	s.exits(s.wakes("l:lab02", "l:lab03"), 1)
	s.told("needs CAP_NET_RAW")
	if sent := s.sent(); len(sent) != 2 {
		t.Errorf("one that fails keeps the other from being sent: %q", sent)
	}
}

// Several destinations are all tried, and each is reported, also where one fails.
func TestWakeupToSeveralDestinations(t *testing.T) {
	s := rack(t)
	s.exits(s.wakes("-t", "127.77.0.17/24", "-t", "10.7.0.1", "-p", "40", "l:lab02"), 0)
	want := []string{"127.77.0.255:40", "10.7.0.1:40"}
	for i, sent := range s.sent() {
		if !strings.HasSuffix(sent, " to "+want[i]) {
			t.Errorf("sent %q, want to %s", sent, want[i])
		}
	}
	s.told("127.77.0.255:40 (the directed broadcast address of 127.77.0.0/24)", "10.7.0.1:40")
	s.powered("lab02")

	s = rack(t)
	s.world.Fault(sim.Fault{Power: "wol", Count: 1, Kind: primitives.Unreachable, Message: "no route"})
	s.exits(s.wakes("-t", "10.7.0.1", "-t", "127.77.0.255", "l:lab02"), 1)
	if results := s.results(); len(results) != 2 || results[0].Error == nil || results[1].State != "sent" {
		t.Errorf("%+v", results)
	}
	s.powered("lab02")
}

// What was typed and cannot be done is said, not dropped.
func TestAUnicastFrameToAMachineThatIsWokenByUDP(t *testing.T) {
	s := rack(t)
	s.rows["lab02"] = `broadcast = "127.77.0.255"`
	if exit, err := s.wakeup("-u", "l:lab02"); err == nil || !strings.Contains(err.Error(), "goes by UDP to 127.77.0.255 (as in the inventory); name an interface with -i") {
		t.Errorf("exit %d, %v", exit, err)
	}
	if sent := s.sent(); len(sent) > 0 {
		t.Errorf("sent %q", sent)
	}
	s.exits(s.wakes("-u", "-i", "eth0", "l:lab02"), 0)
}

func (s *scene) results() []luabind.Event {
	var list []luabind.Event
	for _, event := range s.events {
		if event.Kind == luabind.KindResult {
			list = append(list, event)
		}
	}
	return list
}

// The directed broadcast address is computed and shown, from whatever is known of
// the subnet.
func TestWakeupByDirectedBroadcast(t *testing.T) {
	for _, test := range []struct {
		row, desk string
		words     []string
		want      string
	}{
		{`subnet = "127.77.0.0/24"`, "", []string{"-b", "l:lab02"}, "127.77.0.255:9"},
		{`broadcast = "127.77.0.255", broadcast_port = 7`, "", []string{"-b", "l:lab02"}, "127.77.0.255:7"},
		{`broadcast = "127.77.0.255", broadcast_port = 7`, "", []string{"l:lab02"}, "127.77.0.255:7"},
		{`broadcast = "127.77.0.255"`, "", []string{"-b", "-p", "8", "l:lab02"}, "127.77.0.255:8"},
		{"", "lab01", []string{"-b", "l:lab02"}, "127.77.0.255:9"},
		{"", "lab01", []string{"-b", "-i", "br0", "l:lab02"}, "127.77.0.255:9"},
		{`broadcast = "127.77.0.255"`, "", []string{"-i", "eth0", "l:lab02"}, "ff:ff:ff:ff:ff:ff"},
	} {
		s := rack(t)
		s.rows["lab02"], s.desk = test.row, test.desk
		s.exits(s.wakes(test.words...), 0)
		if sent := s.sent(); len(sent) != 1 || !strings.HasSuffix(sent[0], " to "+test.want) {
			t.Errorf("%v: sent %q, want to %s", test.words, sent, test.want)
		}
		s.powered("lab02")
	}
}

// What CANCEL has kept of a machine wakes it, without a MAC in the inventory, or
// without any row.
func TestWakeupOfWhatWasCancelled(t *testing.T) {
	for _, test := range []struct {
		subopts string
		words   []string
		want    string
	}{
		{"self,wol,poweroff:0", []string{"l:host01"}, "ff:ff:ff:ff:ff:ff"},
		{"self,wol,poweroff:0", []string{"host01"}, "ff:ff:ff:ff:ff:ff"},
		{"self,wol,poweroff:0", []string{"-b", "t:10.1.0.1"}, "10.1.0.255:9"},
		{"self,wol,broadcast:10.1.0.255:99,poweroff:0", []string{"l:host01"}, "10.1.0.255:99"},
		{"self,wol,broadcast:10.1.0.255:99,poweroff:0", []string{"-i", "eth0", "l:host01"}, "ff:ff:ff:ff:ff:ff"},
	} {
		s := hosts(t, nil)
		s.row("host01", "")
		s.exits(s.cancel("pm", test.subopts, "host01"), 0)
		s.exits(s.wakes(test.words...), 0)
		if sent := s.sent(); len(sent) != 1 || !strings.HasSuffix(sent[0], " to "+test.want) {
			t.Errorf("%v: sent %q, want to %s", test.words, sent, test.want)
		}
		s.powered("host01")
		if !strings.HasPrefix(test.words[0], "-") {
			s.told("as kept on 2023-11-14 22:13 UTC")
		}
	}
	s := hosts(t, nil)
	s.instead = map[string]string{"host01": "", "web1": ""}
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "10.1.0.1"), 0)
	s.exits(s.wakes("l:10.1.0.1"), 0)
	s.powered("host01")
}
