package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ctys/primitives/ipmi"
)

// One cycle of each of 40 BMCs where 30 % of the datagrams are lost in each
// direction: what the BMCs have counted, and what the programs say of it. On
// three farms with seeds of their own side by side: half of the cycles can be
// confirmed at best, and of 40 alone less than a third are by chance now and then.
const (
	cycleSize      = 40
	cycleShare     = 30 // in a hundred, each way
	cycleDeadline  = 30 * time.Second
	leastConfirmed = 1.0 / 3
	notRepeated    = "unknown, not repeated"
)

var cycleSeeds = []int64{5, 50, 500}

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

// cycles lets a program cycle the farms, and judges it where it is ours.
func cycles(choose func(folder string) console, ours bool) error {
	var group sync.WaitGroup
	tallies, failures := make([]tally, len(cycleSeeds)), make([]error, len(cycleSeeds))
	for i, seed := range cycleSeeds {
		group.Go(func() { tallies[i], failures[i] = cycle(choose, seed) })
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil || !ours {
		return err
	}
	var all tally
	for _, t := range tallies {
		all.add(t)
	}
	return all.judge(choose("").name, cycleSize*len(cycleSeeds))
}

func cycle(choose func(folder string) console, seed int64) (t tally, err error) {
	err = withFarm(scene{size: cycleSize, seed: seed, allOn: true}, func(f *farm, folder string) error {
		c := choose(folder)
		if err := f.tell("bmc-loss all %d %d", cycleShare, cycleShare); err != nil {
			return err
		}
		a, err := c.run(f, doCycle)
		if err != nil {
			return err
		}
		if t, err = count(f, a); err != nil {
			return err
		}
		fmt.Printf("%d cycles at %d %% loss, seed %d: %s %s: %d confirmed, %d unknown, %d other; %d cycled more than once\n",
			f.size, cycleShare, seed, c.name, a.measured, t.confirmed, t.unknown, t.other, t.twice)
		return nil
	})
	return t, err
}

func (t *tally) add(o tally) {
	t.confirmed, t.unknown, t.other = t.confirmed+o.confirmed, t.unknown+o.unknown, t.other+o.other
	t.untold, t.twice, t.lost = t.untold+o.untold, t.twice+o.twice, t.lost+o.lost
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
