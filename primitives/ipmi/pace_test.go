package ipmi

import (
	"testing"
	"time"
)

// waits are those of a request that is never answered.
func waits(p pace, deadline time.Duration) (list []time.Duration) {
	for wait, left := p.first(deadline), deadline; left > 0; wait = p.next(wait, left) {
		list = append(list, wait)
		left -= wait
	}
	return list
}

func TestPace(t *testing.T) {
	for name, c := range map[string]struct {
		pace     pace
		deadline time.Duration
		least    int           // tries
		shortest time.Duration // of the waits after the first
	}{
		"unknown":             {pace{}, 5 * time.Second, 12, firstWait},
		"fast":                {pace{time.Millisecond}, 5 * time.Second, 14, knownWait},
		"fast, a second left": {pace{time.Millisecond}, time.Second, 10, knownWait},
		"slow":                {pace{300 * time.Millisecond}, 5 * time.Second, 5, 900 * time.Millisecond},
		"patient":             {pace{}, time.Minute, 60, firstWait},
	} {
		list := waits(c.pace, c.deadline)
		if len(list) < c.least {
			t.Errorf("%s: %d tries in %s, want %d: %s", name, len(list), c.deadline, c.least, list)
		}
		for _, wait := range list[1:] {
			if wait < c.shortest || wait > longestWait {
				t.Errorf("%s: a try waits %s: %s", name, wait, list)
			}
		}
	}
}
