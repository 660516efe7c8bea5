package main

import (
	"errors"
	"fmt"
	"time"
)

// Does the cost of one BMC stay what it is where there are very many? As many
// runs at few BMCs as make up one at many, beside that one, so that what else the
// machine does meets both for as long; medians of some tries.
const (
	fewBMCs, manyBMCs = 1024, 16384
	growthTries       = 3
	growthLimit       = 1.2
	// growthMemory is what is left of a BMC's share of the memory: of those that
	// are begun at once there are as many as before, and only the inventory and
	// the results grow.
	growthMemory   = 0.5
	growthDeadline = time.Minute
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
	var wall, cpu []float64
	var small, large measured
	for range growthTries {
		small = measured{}
		for range many.size / few.size {
			a, err := atFew.status(few)
			if err != nil {
				return err
			}
			small.Wall, small.CPU, small.MiB = small.Wall+a.Wall, small.CPU+a.CPU, max(small.MiB, a.MiB)
		}
		a, err := atMany.status(many)
		if err != nil {
			return err
		}
		large = a.measured
		wall = append(wall, large.Wall.Seconds()/small.Wall.Seconds())
		cpu = append(cpu, large.CPU.Seconds()/small.CPU.Seconds())
	}
	fmt.Printf("%s, last try: %d times %d BMCs %s; %d BMCs %s\n", atFew.name, many.size/few.size, few.size, small, many.size, large)
	what := fmt.Sprintf("%s, a BMC of %d to one of %d, ", atFew.name, many.size, few.size)
	memory := large.MiB / float64(many.size) / (small.MiB / float64(few.size))
	return errors.Join(ratio(what+"wall", median(wall), growthLimit), ratio(what+"CPU", median(cpu), growthLimit), ratio(what+"memory", memory, growthMemory))
}
