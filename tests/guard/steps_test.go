//go:build linux

package guard

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/luabind/agent"
	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/tests/netns"
)

// apart is a program that arms the guards, takes a bridge apart as far as so many
// steps, says how many it has done, and waits for its end.
func apart(name, port, folder, most string) error {
	ctx, bridges := context.Background(), bridge.New(bridge.Options{})
	snapshot, err := bridges.Snapshot(ctx, name)
	if err != nil {
		return err
	}
	guards := agent.NewGuard(primitives.SystemClock{}, func() string { return folder })
	if _, err := guards.Arm(ctx, snapshot, time.Hour); err != nil {
		return err
	}
	left, err := strconv.Atoi(most)
	if err != nil {
		return err
	}
	done := 0
	for {
		steps, err := bridges.Dissolution(ctx, snapshot, port)
		if err != nil {
			return err
		}
		for _, step := range steps[:min(left, len(steps))] {
			if err := bridges.Apply(ctx, step); err != nil {
				return err
			}
			done, left = done+1, left-1
		}
		if len(steps) == 0 || left == 0 {
			break
		}
	}
	fmt.Println(done)
	return primitives.SystemClock{}.Sleep(ctx, time.Hour)
}

// street is one of many bridges, each with a network of its own.
type street struct {
	t            *testing.T
	bridge, port string
	number       int
}

// newStreet makes a bridge with two addresses of each family, routes in two
// tables, and a rule.
func newStreet(t *testing.T, number int) street {
	t.Helper()
	s := street{t: t, number: number, bridge: fmt.Sprintf("sbr%d", number), port: fmt.Sprintf("sp%d", number)}
	netns.Veth(t, s.port, fmt.Sprintf("sfar%d", number), fmt.Sprintf("02:00:5e:00:54:%02x", number))
	netns.Run(t, "ip link add "+s.bridge+" type bridge")
	t.Cleanup(func() { netns.Run(t, "ip link del "+s.bridge) })
	for _, line := range []string{
		"ip link set PORT master BRIDGE", "ip link set BRIDGE up",
		"ip addr add 10.133.N.5/24 dev BRIDGE", "ip addr add 10.134.N.5/25 brd + dev BRIDGE",
		"ip addr add fd00:0:0:N::5/64 nodad dev BRIDGE", "ip addr add fd00:1:0:N::5/64 nodad dev BRIDGE",
		"ip route add 10.200.N.0/24 via 10.133.N.1", "ip route add default via 10.133.N.1 dev BRIDGE table 10N", "ip route add fd00:2:0:N::/64 via fd00:0:0:N::1",
		"ip rule add from 10.133.N.5 lookup 10N priority 10N",
	} {
		netns.Run(t, strings.NewReplacer("PORT", s.port, "BRIDGE", s.bridge, "N", strconv.Itoa(number)).Replace(line))
	}
	t.Cleanup(func() { _, _ = netns.Try(t, fmt.Sprintf("ip rule del priority 10%d", number)) })
	return s
}

// seen is what the operator sees of this network.
func (s street) seen() string {
	s.t.Helper()
	var own []string
	for _, fact := range strings.Split(seen(s.t), "\n") {
		words := strings.Fields(fact)
		if slices.Contains(words, s.bridge) || slices.Contains(words, s.port) {
			own = append(own, fact)
		}
	}
	for _, line := range []string{"ip -o link show dev " + s.bridge, "ip -o link show dev " + s.port, fmt.Sprintf("ip rule list priority 10%d", s.number)} {
		out, err := netns.Try(s.t, line)
		if err != nil {
			out = err.Error()
		}
		own = append(own, plain.Replace(out))
	}
	return strings.Join(own, "\n")
}

// takeApart starts the program and gives the number of steps that it has done.
func (s street) takeApart(most int) (process *os.Process, done int) {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(self, "apart", s.bridge, s.port, s.t.TempDir(), strconv.Itoa(most))
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatal("it ended: ", err)
	}
	if done, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		s.t.Fatal(err)
	}
	return command.Process, done
}

// TestBridgeIsRestoredFromEveryStep kills the one who takes a bridge apart after
// each of its steps.
func TestBridgeIsRestoredFromEveryStep(t *testing.T) {
	netns.Need(t)
	type house struct {
		street
		before  string
		process *os.Process
	}
	var houses []house
	for most := 0; ; most++ {
		s := newStreet(t, most)
		settled(t, s)
		h := house{street: s, before: s.seen()}
		process, done := s.takeApart(most)
		h.process = process
		houses = append(houses, h)
		if now := s.seen(); (now == h.before) != (done == 0) {
			t.Errorf("after %d steps:\n%s\nbefore:\n%s", done, now, h.before)
		}
		if done < most {
			break
		}
	}
	if len(houses) < 8 {
		t.Errorf("a bridge is apart after %d steps", len(houses)-2)
	}
	for _, h := range houses {
		if err := h.process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range houses {
		awaits(t, h.seen, h.before)
	}
}

// settled waits until the kernel has brought the network up.
func settled(t *testing.T, s street) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); strings.Contains(s.seen(), "state DOWN"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come up:\n%s", s.bridge, s.seen())
		}
	}
}
