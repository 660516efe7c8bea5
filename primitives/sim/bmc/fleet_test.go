package bmc_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim/bmc"
	"ctys/tests/testneed"
)

// ipmipower asks many BMCs at once. What it prints is "HOST: WORD" a line.
func ipmipower(t *testing.T, f *bmc.Farm, args ...string) map[string]string {
	t.Helper()
	program := testneed.Program(t, "ipmipower", "freeipmi-tools")
	var hosts []string
	for _, b := range f.All() {
		hosts = append(hosts, b.Address.String())
	}
	all := append([]string{"-D", "LAN_2_0", "-h", strings.Join(hosts, ","), "-u", "admin", "-P"}, args...)
	command := exec.CommandContext(t.Context(), program, all...)
	command.Stdin = strings.NewReader("secret\n")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("ipmipower %q: %v", args, err)
	}
	words := map[string]string{}
	for _, line := range strings.Split(strings.TrimPrefix(string(out), "Password: "), "\n") {
		if host, word, ok := strings.Cut(line, ": "); ok {
			words[host] = word
		}
	}
	return words
}

func TestIpmipowerAtAThousand(t *testing.T) {
	f := farm(t, 1000)
	for _, quirks := range [][]string{nil, {"-l", "admin"}, {"-W", "opensesspriv"}, {"-W", "opensesspriv", "-l", "admin", "-I", "17"}} {
		words := ipmipower(t, f, append(quirks, "--stat")...)
		for i, b := range f.All() {
			if want := []string{"off", "on"}[i%2]; words[b.Address.Addr().String()] != want {
				t.Fatalf("%q: %s is %q, want %s (%d lines)", quirks, b.Name, words[b.Address.Addr().String()], want, len(words))
			}
		}
	}
	ipmipower(t, f, "--on")
	ipmipower(t, f, "--cycle")
	for _, b := range f.All() {
		if counts := b.Counts(); !counts.On || counts.Controls[ipmi.Cycle] != 1 || counts.Open != 0 {
			t.Fatalf("%s", b)
		}
	}
	for _, n := range []int{1, 254, 255, 1000} {
		newConsole(t, f.BMC(bmc.Name(n))).expect("is on", "power", "status")
	}
}

// own asks each BMC by our own client, and gives what went wrong.
func own(ctx context.Context, f *bmc.Farm, limit int, right func(b *bmc.BMC, power primitives.Power) bool) (wrong []string) {
	client := ipmi.New(ipmi.Options{})
	secret := primitives.Secret{Reveal: func(context.Context) (string, error) { return "secret", nil }}
	slots := make(chan struct{}, limit)
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, b := range f.All() {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			status, err := client.Status(ctx, ipmi.Target{Host: b.Address.Addr().String(), Port: int(b.Address.Port()), User: "admin", Password: secret})
			if err != nil || !right(b, status.Power) {
				mu.Lock()
				wrong = append(wrong, fmt.Sprint(b, ": ", status.Power, " ", err))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return wrong
}

// TestFleet has all addresses that a lab can have, and a client on each.
func TestFleet(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	const n = 16384
	f := farm(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	wrong := own(ctx, f, 64, func(b *bmc.BMC, power primitives.Power) bool {
		return power == map[bool]primitives.Power{false: primitives.PowerOff, true: primitives.PowerOn}[b.On]
	})
	if len(wrong) > 0 {
		t.Errorf("%d are wrong: %.10q", len(wrong), wrong)
	}
	for i := range 10 {
		b := f.BMC(bmc.Name(1 + i*(n-1)/9))
		newConsole(t, b).expect("Chassis Power is "+map[bool]string{false: "off", true: "on"}[b.On], "power", "status")
	}
	for _, b := range f.All() {
		if counts := b.Counts(); counts.Most == 0 || counts.Open != 0 {
			t.Fatalf("%s", b)
		}
	}
}

func TestAddresses(t *testing.T) {
	first := netip.MustParseAddr("127.113.64.1")
	seen := map[netip.Addr]bool{}
	for n := 1; n <= 16384; n++ {
		address := bmc.Nth(first, n)
		if last := address.As4()[3]; seen[address] || last == 0 || last == 255 {
			t.Fatalf("%d: %s", n, address)
		}
		seen[address] = true
	}
	if got := bmc.Nth(first, 255).String(); got != "127.113.65.1" {
		t.Error(got)
	}
}

// Labs on other networks may have the same port, whoever came first; for the same
// addresses there is one.
func TestFarmsShareAPort(t *testing.T) {
	first := farm(t, 2)
	port := first.All()[0].Address.Port()
	serve := func(address string) (*bmc.Farm, error) {
		f := bmc.NewFarm(1)
		if err := f.AddMany(2, netip.AddrPortFrom(netip.MustParseAddr(address), port), model, func(int) bool { return true }); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(func() { cancel(); f.Wait() })
		return f, f.Serve(ctx)
	}
	second, err := serve("127.113.250.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serve("127.113.250.1"); primitives.KindOf(err) != primitives.Busy {
		t.Errorf("a second farm on the same addresses: %v", err)
	}
	if _, err := serve(first.All()[0].Address.Addr().String()); primitives.KindOf(err) != primitives.Busy {
		t.Errorf("a second farm on the first one's addresses: %v", err)
	}
	newConsole(t, first.BMC("bmc0001")).expect("is off", "power", "status")
	newConsole(t, second.BMC("bmc0001")).expect("is on", "power", "status")
}

func TestOnlyLoopback(t *testing.T) {
	for _, address := range []string{"192.0.2.1:623", "[::1]:623", "0.0.0.0:623"} {
		_, err := bmc.NewFarm(1).Add(bmc.Description{Name: "far", Address: netip.MustParseAddrPort(address), Model: model})
		if primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", address, err)
		}
	}
}
