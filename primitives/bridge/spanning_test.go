package bridge_test

import (
	"os"
	"testing"
	"time"

	"ctys/tests/netns"
)

// While a spanning tree changes, the kernel forgets MAC addresses sooner than it
// is set to, and tells only that; a snapshot does not take it for the setting.
func TestATreeThatChanges(t *testing.T) {
	build(t, "ip link set br0 type bridge forward_delay 200 hello_time 100 max_age 600 stp_state 1")
	netns.Run(t, "ip link set vif1 down")
	netns.Run(t, "ip link set vif1 up")
	changes := func() bool {
		state, err := os.ReadFile("/sys/class/net/br0/bridge/topology_change")
		return err == nil && string(state) == "1\n"
	}
	for end := time.Now().Add(settled); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !changes() {
			continue
		}
		snap := snapshot(t)
		if !changes() {
			continue
		}
		if value, found := snap.Bridge.Settings["ageing_time"]; found {
			t.Errorf("the snapshot has ageing_time %s", value)
		}
		return
	}
	t.Fatal("the tree never changed")
}
