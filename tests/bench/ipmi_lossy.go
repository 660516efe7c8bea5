package main

import (
	"errors"
	"fmt"
	"time"

	"ctys/primitives/sim/bmc"
)

// 200 BMCs on a bad way: of the datagrams 20 % are lost in each direction, five
// BMCs are silent and ten answer "node busy" twice. Each program has a farm of
// its own with the same seed. Ours is given lossyDeadline, what an operator
// gives who wants to know which ones are dead; ipmipower runs with its default
// of 20 seconds, which it also takes, and beside it with the same deadline.
const (
	lossySize     = 200
	lossySeed     = 7
	lossyShare    = 20 // in a hundred, each way
	lossyDeadline = 5 * time.Second
	busyTimes     = 2
	toPeerLossy   = 0.5
	// oneDeadline is how much longer than its deadline a run may take for all its
	// dead BMCs together.
	oneDeadline = 1.2
)

var (
	silentOnes = map[int]bool{3: true, 50: true, 51: true, 111: true, 200: true}
	busyOnes   = []int{1, 20, 40, 60, 80, 100, 120, 140, 160, 180}
)

// lossy makes a farm do wrong.
func lossy(f *farm) error {
	failures := []error{f.tell("bmc-loss all %d %d", lossyShare, lossyShare)}
	for n := range silentOnes {
		failures = append(failures, f.tell("bmc-silent %s", bmc.Name(n)))
	}
	for _, n := range busyOnes {
		failures = append(failures, f.tell("bmc-busy %s %d", bmc.Name(n), busyTimes))
	}
	return errors.Join(failures...)
}

// lossyRun is one run at a fresh farm, and how many answers were wrong.
func lossyRun(choose func(folder string) console) (a answered, wrong int, err error) {
	err = withFarm(scene{size: lossySize, seed: lossySeed}, func(f *farm, folder string) error {
		if err := lossy(f); err != nil {
			return err
		}
		c := choose(folder)
		var err error
		if a, err = c.run(f, askStatus); err != nil {
			return err
		}
		wrong = len(a.wrong(f, silentOnes))
		fmt.Printf("%d BMCs at %d %% loss: %s %s, %d of %d wrong", f.size, lossyShare, c.name, a.measured, wrong, f.size-len(silentOnes))
		open, err := f.open()
		fmt.Printf(", %d sessions left open\n", open)
		return err
	})
	return a, wrong, err
}

func benchLossy() error {
	path, ok := peer("ipmipower", "200 BMCs at 20 % loss")
	if !ok {
		return nil
	}
	its, _, err := lossyRun(func(string) console { return ipmipower(path) })
	if err != nil {
		return err
	}
	same := ipmipower(path, "--session-timeout", fmt.Sprint(lossyDeadline.Milliseconds()))
	same.name = "ipmipower --session-timeout"
	if _, _, err := lossyRun(func(string) console { return same }); err != nil {
		return err
	}
	var failures []error
	for _, make := range ours() {
		failures = append(failures, lossyBeside(make, its))
	}
	return errors.Join(failures...)
}

// lossyBeside compares one of our sides with what ipmipower needed.
func lossyBeside(make maker, its answered) error {
	name := make("", lossyDeadline).name
	mine, wrong, err := lossyRun(func(folder string) console { return make(folder, lossyDeadline) })
	if err != nil {
		return err
	}
	var failures []error
	if wrong > 0 {
		failures = append(failures, fmt.Errorf("%s at %d %% loss: %d wrong", name, lossyShare, wrong))
	}
	for n := range silentOnes {
		if said := mine.answers[n]; said == "" || said == "on" || said == "off" {
			failures = append(failures, fmt.Errorf("%s says of the silent BMC %d %q", name, n, said))
		}
	}
	what := fmt.Sprintf("%s of %d BMCs at %d %% loss", name, lossySize, lossyShare)
	return errors.Join(append(failures,
		ratio(what+" to ipmipower, wall", mine.Wall.Seconds()/its.Wall.Seconds(), toPeerLossy),
		ratio(what+" to one deadline", mine.Wall.Seconds()/lossyDeadline.Seconds(), oneDeadline))...)
}
