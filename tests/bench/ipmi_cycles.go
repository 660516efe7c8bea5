package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ctys/primitives/ipmi"
)

// One cycle of each of 40 BMCs where 30 % of the datagrams are lost in each
// direction: what the BMCs have counted, and what the programs say of it.
const (
	cycleSize      = 40
	cycleSeed      = 5
	cycleShare     = 30 // in a hundred, each way
	cycleDeadline  = 30 * time.Second
	leastConfirmed = 1.0 / 3
	notRepeated    = "unknown, not repeated"
)

func benchCycles() error {
	var failures []error
	for _, make := range ours() {
		failures = append(failures, cycles(func(folder string) console { return make(folder, cycleDeadline) }, true))
	}
	if path, ok := peer("ipmipower", "40 cycles at 30 % loss"); ok {
		failures = append(failures, cycles(func(string) console { return ipmipower(path) }, false))
	}
	return errors.Join(failures...)
}

// tally is what came of the cycles.
type tally struct {
	confirmed, unknown, other int
	untold, twice, lost       int // by the BMCs' own count: carried out and denied, more than once, said ok and not done
}

func cycles(choose func(folder string) console, ours bool) error {
	return withFarm(scene{size: cycleSize, seed: cycleSeed, allOn: true}, func(f *farm, folder string) error {
		c := choose(folder)
		if err := f.tell("bmc-loss all %d %d", cycleShare, cycleShare); err != nil {
			return err
		}
		a, err := c.run(f, doCycle)
		if err != nil {
			return err
		}
		t, err := count(f, a)
		if err != nil {
			return err
		}
		fmt.Printf("%d cycles at %d %% loss: %s %s: %d confirmed, %d unknown, %d other; %d cycled more than once\n",
			f.size, cycleShare, c.name, a.measured, t.confirmed, t.unknown, t.other, t.twice)
		if !ours {
			return nil
		}
		return t.judge(c.name, f.size)
	})
}

func count(f *farm, a answered) (t tally, err error) {
	counts, err := f.counts()
	for i, c := range counts {
		said, did := a.answers[i+1], c.Controls[ipmi.Cycle]
		switch {
		case said == "ok":
			t.confirmed++
			if did == 0 {
				t.lost++
			}
		case strings.Contains(said, notRepeated):
			t.unknown++
		default:
			t.other++
			if did > 0 {
				t.untold++
			}
		}
		if did > 1 {
			t.twice++
		}
	}
	return t, err
}

func (t tally) judge(name string, size int) error {
	var failures []error
	if t.twice+t.untold+t.lost+t.other > 0 {
		failures = append(failures, fmt.Errorf("%s: of %d cycles, %d were done more than once, %d done and denied, %d said and not done, %d ended otherwise",
			name, size, t.twice, t.untold, t.lost, t.other))
	}
	share := float64(t.confirmed) / float64(size)
	return errors.Join(append(failures, ratio(fmt.Sprintf("%s, cycles that are not confirmed at %d %% loss", name, cycleShare), 1-share, 1-leastConfirmed))...)
}
