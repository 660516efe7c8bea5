package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"ctys/primitives/sim/bmc"
)

// A farm of BMCs in a process of its own, so that its cost is not counted to
// whoever speaks to it. It is told what to do wrong on its standard input, and
// ends with that.
const (
	farmWord  = "bmcs"
	firstBMC  = "127.115.64.1"
	farmUser  = "admin"
	farmWhole = "counts" // beside bmc.Commands: what each BMC has seen
)

// scene is what a farm begins with.
type scene struct {
	size  int
	seed  int64 // what gets lost is drawn from it
	allOn bool  // else every second one, from the first one on
}

// farm is the other end of the process.
type farm struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	port    int
	size    int
	secrets []string // environment that has the password
}

// farmSecret is the variable of the environment with the account's password.
const farmSecret = "CTYS_BENCH_PW"

func startFarm(s scene) (*farm, error) {
	f := &farm{size: s.size, secrets: []string{farmSecret + "=secret"}}
	f.cmd = exec.Command(self, farmWord, strconv.Itoa(s.size), strconv.FormatInt(s.seed, 10), strconv.FormatBool(s.allOn))
	f.cmd.Stderr = os.Stderr
	var err error
	if f.in, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.out = bufio.NewReaderSize(out, 64<<10)
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	if err := f.answer(&f.port); err != nil {
		f.stop()
		return nil, fmt.Errorf("the farm of %d BMCs did not come up: %w", s.size, err)
	}
	return f, nil
}

func (f *farm) stop() {
	_ = f.in.Close()
	_ = f.cmd.Wait()
}

func (f *farm) answer(into any) error {
	line, err := f.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// tell carries out one of bmc.Commands.
func (f *farm) tell(format string, args ...any) error {
	if _, err := fmt.Fprintf(f.in, format+"\n", args...); err != nil {
		return err
	}
	var fault string
	if err := f.answer(&fault); err != nil {
		return err
	}
	if fault != "" {
		return errors.New(fault)
	}
	return nil
}

// counts is what each BMC has seen, the first one first.
func (f *farm) counts() ([]bmc.Counts, error) {
	if _, err := fmt.Fprintln(f.in, farmWhole); err != nil {
		return nil, err
	}
	var counts []bmc.Counts
	return counts, f.answer(&counts)
}

// open is how many sessions were left open.
func (f *farm) open() (int, error) {
	counts, err := f.counts()
	left := 0
	for _, c := range counts {
		left += c.Open
	}
	return left, err
}

func addressOf(n int) string { return bmc.Nth(netip.MustParseAddr(firstBMC), n).String() }

// serveFarm is the process.
func serveFarm(words []string) error {
	size, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	seed, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	allOn, err := strconv.ParseBool(words[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	all := bmc.NewFarm(seed)
	model := &bmc.Model{Users: map[string]bmc.Account{farmUser: {Password: "secret"}}}
	first := netip.AddrPortFrom(netip.MustParseAddr(firstBMC), 0)
	if err := all.AddMany(size, first, model, func(n int) bool { return allOn || n%2 == 1 }); err != nil {
		return err
	}
	if err := all.Serve(ctx); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(all.All()[0].Address.Port()); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := out.Encode(obey(all, strings.Fields(lines.Text()))); err != nil {
			return err
		}
	}
	return nil
}

// obey is the answer to one line: what the BMCs have seen, or what was wrong
// with a command.
func obey(all *bmc.Farm, words []string) any {
	if len(words) == 1 && words[0] == farmWhole {
		var counts []bmc.Counts
		for _, b := range all.All() {
			counts = append(counts, b.Counts())
		}
		return counts
	}
	if _, err := all.Command(words); err != nil {
		return err.Error()
	}
	return ""
}
