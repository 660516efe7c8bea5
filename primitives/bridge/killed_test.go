package bridge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ctys/primitives/bridge"
)

// childVariable has the order of a process that dissolves or restores, and is
// killed while it does.
const childVariable = "CTYS_TEST_BRIDGE_CHILD"

// order is what a child does. After so many steps it says so and waits for its
// end; with a negative number it does all.
type order struct {
	Snapshot bridge.Snapshot
	Restore  bool
	Stop     int
}

func child(text string) int {
	var given order
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	client, ctx := bridge.New(bridge.Options{}), context.Background()
	steps, err := client.Dissolution(ctx, given.Snapshot, "eth0")
	if given.Restore {
		steps, err = client.Restoration(ctx, given.Snapshot)
	}
	for number, step := range steps {
		if err != nil || number == given.Stop {
			break
		}
		err = client.Apply(ctx, step)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("done")
	time.Sleep(patience)
	return 0
}

// killed runs a child and kills it when it has done its steps, or after a while
// if that is less.
func killed(t *testing.T, given order, after time.Duration) {
	t.Helper()
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(self)
	process.Env = append(os.Environ(), childVariable+"="+string(text))
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		said <- line
	}()
	var word string
	select {
	case word = <-said:
	case <-time.After(after):
	}
	_ = process.Process.Kill()
	if word == "" {
		word = <-said
	}
	_ = process.Wait()
	if word != "done\n" && after == patience {
		t.Fatalf("the child said %q", word)
	}
}

// patience is for a child on a busy machine.
const patience = 60 * time.Second

// A process is killed after each step of a dissolution, and after each step of
// the restoration that another began; a third restores.
func TestKilledAtEachStep(t *testing.T) { killedAtEachStep(t, full) }

func killedAtEachStep(t *testing.T, lines []string) {
	build(t, lines...)
	before, snap := picture(t), snapshot(t)
	for stop := range len(dissolution(t, snap)) + 1 {
		killed(t, order{Snapshot: snap, Stop: stop}, patience)
		restore(t, snap)
		unchanged(t, before)
	}
	dissolve(t, snap)
	for stop := range len(restoration(t, snap)) + 1 {
		dissolve(t, snap)
		killed(t, order{Snapshot: snap, Restore: true, Stop: stop}, patience)
		restore(t, snap)
		unchanged(t, before)
	}
}

// A process is killed at any moment, also in the midst of a step.
func TestKilledAtAnyMoment(t *testing.T) {
	build(t, full...)
	before, snap := picture(t), snapshot(t)
	for range 40 {
		killed(t, order{Snapshot: snap, Stop: -1}, rand.N(40*time.Millisecond))
		killed(t, order{Snapshot: snap, Stop: -1, Restore: true}, rand.N(40*time.Millisecond))
		restore(t, snap)
		unchanged(t, before)
	}
	if t.Failed() {
		t.Log(strings.Join(picture(t), "\n"))
	}
}
