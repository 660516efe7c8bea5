package main

import (
	"errors"
	"fmt"
	"time"
)

// Does the cost of one BMC stay what it is where there are very many? Few and
// many in turn; of each the fastest of some tries, since what else the machine
// does only adds.
const (
	fewBMCs, manyBMCs = 1024, 16384
	growthTries       = 3
	growthLimit       = 1.2
	growthDeadline    = time.Minute
)

func benchGrowth() error {
	return withFarm(scene{size: fewBMCs}, func(few *farm, fewFolder string) error {
		return withFarm(scene{size: manyBMCs}, func(many *farm, manyFolder string) error {
			var failures []error
			for _, make := range ours() {
				failures = append(failures, growth(few, many, make(fewFolder, growthDeadline), make(manyFolder, growthDeadline)))
			}
			return errors.Join(failures...)
		})
	})
}

func growth(few, many *farm, atFew, atMany console) error {
	var small, large best
	for range growthTries {
		for range manyBMCs / fewBMCs / 4 { // a short run is disturbed more easily
			if err := small.take(atFew, few); err != nil {
				return err
			}
		}
		if err := large.take(atMany, many); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d BMCs %.3f s, CPU %.3f s; %d BMCs %.3f s, CPU %.3f s\n", atFew.name,
		few.size, small.wall.Seconds(), small.cpu.Seconds(), many.size, large.wall.Seconds(), large.cpu.Seconds())
	times := float64(many.size) / float64(few.size)
	what := fmt.Sprintf("%s, a BMC of %d to one of %d, ", atFew.name, many.size, few.size)
	return errors.Join(
		ratio(what+"wall", large.wall.Seconds()/small.wall.Seconds()/times, growthLimit),
		ratio(what+"CPU", large.cpu.Seconds()/small.cpu.Seconds()/times, growthLimit))
}

// best is the least that some runs took.
type best struct{ wall, cpu time.Duration }

func (b *best) take(c console, f *farm) error {
	a, err := c.status(f)
	if err != nil {
		return err
	}
	if b.wall == 0 || a.Wall < b.wall {
		b.wall = a.Wall
	}
	if b.cpu == 0 || a.CPU < b.cpu {
		b.cpu = a.CPU
	}
	return nil
}
