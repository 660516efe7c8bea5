package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// measured is a program that ran to its end.
type measured struct {
	Wall, CPU time.Duration
	MiB       float64 // peak of its resident memory
	Exit      int
	Out       string // standard output
}

// program is what to run.
type program struct {
	Argv  []string
	Env   []string // beside that of the caller
	Stdin string
}

const measureWord = "measure"

// measure runs a program in the hands of a small process of its own: the kernel
// counts the memory of whoever starts a program to that program's peak.
func measure(p program) (measured, error) {
	order, err := json.Marshal(p)
	if err != nil {
		return measured{}, err
	}
	cmd := exec.Command(self, measureWord)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(order), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return measured{}, fmt.Errorf("%s: %w", p.Argv[0], err)
	}
	var m measured
	return m, json.Unmarshal(out, &m)
}

// measureHere is the small process.
func measureHere() error {
	var p program
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	m, err := p.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

// run runs the program; that it exits with something else than 0 is no error.
func (p program) run() (measured, error) {
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdin = strings.NewReader(p.Stdin)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	began := time.Now()
	err := cmd.Run()
	m := measured{Wall: time.Since(began), Out: out.String()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return m, err
	}
	state := cmd.ProcessState
	m.Exit, m.CPU = state.ExitCode(), state.UserTime()+state.SystemTime()
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		m.MiB = float64(usage.Maxrss) / 1024 // KiB on Linux
	}
	if m.Exit < 0 || m.Exit > 1 {
		return m, fmt.Errorf("%s: %v: %s", p.Argv[0], err, firstLine(complaints.String()))
	}
	return m, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
