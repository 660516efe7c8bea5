package real

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"ctys/primitives/ipmi"
)

// What was dropped since nobody had asked for it is told in the end.
func TestDroppedDatagramsAreTold(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	conn, err := net.ListenPacket("udp", "127.137.4.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buffer := make([]byte, 512)
		for {
			_, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte("I am a BMC, honestly"), from)
		}
	}()
	var notes []string
	capabilities, release := New(Options{Note: func(text string) { notes = append(notes, text) }})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := capabilities.IPMI.Status(ctx, ipmi.Target{Host: "127.137.4.1", Port: conn.LocalAddr().(*net.UDPAddr).Port, User: "x"}); err == nil {
		t.Error("a state out of nothing")
	}
	if err := release(); err != nil || len(notes) != 1 || !strings.Contains(notes[0], " dropped: late, doubled, or not proven to be the BMC's") {
		t.Errorf("%v, told %q", err, notes)
	}
}
