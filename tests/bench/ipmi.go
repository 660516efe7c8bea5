package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// What the project promises of IPMI, beside the programs that are there already:
// ipmipower for many BMCs, ipmitool and ipmipower for one. Each part stands in a
// file of its own.
func benchIPMI() error {
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("%s is missing: make build", binary)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("ipmi: the machine's load is %s\n", strings.TrimSpace(string(load)))
	return errors.Join(benchFleet(), benchLossy(), benchGrowth(), benchSingle(), benchCycles())
}

// peer finds a program, or says that a part is not measured against it.
func peer(name, part string) (path string, found bool) {
	path, err := exec.LookPath(name)
	if err != nil {
		fmt.Printf("ipmi: %s not measured, the program %s is missing (make test-deps)\n", part, name)
	}
	return path, err == nil
}

// powerScript tells whether there is a script "power" that a user can call.
func powerScript() bool {
	return exec.Command(binary, "power", "--help").Run() == nil
}

// maker makes one of our consoles, which keeps what it must in a folder and
// gives each BMC so long.
type maker func(folder string, deadline time.Duration) console

// ours are our sides of a comparison: the client of package ipmi without Lua,
// and what a user types.
func ours() []maker {
	if !powerScript() {
		fmt.Println("ipmi: ctys power not measured, there is no script of this name")
		return []maker{ownClient}
	}
	return []maker{ownClient, ctysPower}
}

// answered is what a run came to at a farm.
type answered struct {
	measured
	answers map[int]string
}

func (c console) run(f *farm, verb string) (answered, error) {
	m, err := measure(c.ask(f, verb))
	return answered{m, c.answers(f, m.Out)}, err
}

// right is what a BMC says that is asked for its power.
func right(n int) string { return []string{"off", "on"}[n%2] }

// wrong lists those of the BMCs whose answer is not right, except some.
func (a answered) wrong(f *farm, except map[int]bool) (list []int) {
	for n := 1; n <= f.size; n++ {
		if !except[n] && a.answers[n] != right(n) {
			list = append(list, n)
		}
	}
	return list
}

// everyRight is the error of a run that did not get all right.
func (a answered) everyRight(name string, f *farm, except map[int]bool) error {
	list := a.wrong(f, except)
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d of %d wrong, BMC %d says %q", name, len(list), f.size-len(except), list[0], a.answers[list[0]])
}

// noneOpen is the error where sessions were left open.
func (f *farm) noneOpen(name string) error {
	left, err := f.open()
	if err == nil && left > 0 {
		err = fmt.Errorf("%s left %d sessions open", name, left)
	}
	return err
}

// withFarm calls fn with a farm and a folder that has its inventory.
func withFarm(s scene, fn func(f *farm, folder string) error) error {
	folder, err := os.MkdirTemp("", "ctys-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	f, err := startFarm(s)
	if err != nil {
		return err
	}
	defer f.stop()
	if err := writeInventory(folder, f); err != nil {
		return err
	}
	return fn(f, folder)
}

func (m measured) String() string {
	return fmt.Sprintf("%.3f s, CPU %.3f s, %.1f MiB", m.Wall.Seconds(), m.CPU.Seconds(), m.MiB)
}
