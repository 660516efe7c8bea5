package agent

import (
	"context"
	"testing"
	"time"

	"ctys/luabind"
)

// What is held up until the powers are given back, such as a sleep, waits until
// the desk has heard how the job ended.
func TestPowersAreGivenBackWhenTheDeskHasTheResult(t *testing.T) {
	w := newWorld(t, "", DeskOptions{})
	told, early := make(chan struct{}), make(chan bool, 1)
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{})
		host.Capabilities = func(context.Context, luabind.Order) (luabind.Capabilities, func(), error) {
			return luabind.Capabilities{}, func() {
				select {
				case <-told:
					early <- false
				case <-time.After(4 * time.Second): // the result waits for this, and not the other way round
					early <- true
				}
			}, nil
		}
		return host
	}
	if _, err := run(t, w, w.order("lab01", `function M.here() return "done" end`), &heard{}); err != nil {
		t.Fatal(err)
	}
	close(told)
	if <-early {
		t.Error("the powers were given back before the result was heard")
	}
}
