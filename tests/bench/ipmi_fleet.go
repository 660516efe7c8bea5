package main

import (
	"errors"
	"fmt"
	"time"
)

// The chassis status of many BMCs, none of which does anything wrong: ours and
// ipmipower in turn on one farm. The medians of some tries, as quotients of
// neighbours: what else the machine does meets both.
const (
	fleetSize     = 1000
	fleetTries    = 5
	fleetDeadline = 20 * time.Second // as ipmipower has it
	toPeerWall    = 0.5
	toPeerCPU     = 0.5
	toPeerMemory  = 0.25
)

func benchFleet() error {
	path, ok := peer("ipmipower", "1,000 BMCs")
	if !ok {
		return nil
	}
	return withFarm(scene{size: fleetSize}, func(f *farm, folder string) error {
		var failures []error
		for _, make := range ours() {
			failures = append(failures, fleetBeside(f, make(folder, fleetDeadline), ipmipower(path)))
		}
		return errors.Join(failures...)
	})
}

// fleetBeside compares one of our sides with a peer.
func fleetBeside(f *farm, side, other console) error {
	var wall, cpu, memory []float64
	var mine, its answered
	for range fleetTries {
		var err error
		if mine, err = side.status(f); err != nil {
			return err
		}
		if its, err = other.status(f); err != nil {
			return err
		}
		wall = append(wall, mine.Wall.Seconds()/its.Wall.Seconds())
		cpu = append(cpu, mine.CPU.Seconds()/its.CPU.Seconds())
		memory = append(memory, mine.MiB/its.MiB)
	}
	fmt.Printf("%d BMCs, last try: %s %s; %s %s\n", f.size, side.name, mine.measured, other.name, its.measured)
	what := fmt.Sprintf("%s of %d BMCs to %s, ", side.name, f.size, other.name)
	return errors.Join(
		ratio(what+"wall", median(wall), side.limits[0]),
		ratio(what+"CPU", median(cpu), side.limits[1]),
		ratio(what+"memory", median(memory), side.limits[2]))
}

// status asks all BMCs of a farm that does nothing wrong.
func (c console) status(f *farm) (answered, error) {
	a, err := c.run(f, askStatus)
	if err != nil {
		return a, err
	}
	return a, errors.Join(a.everyRight(c.name, f, nil), f.noneOpen(c.name))
}
