package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// One status of one BMC, from the start of the process to its end, against
// ipmi_sim: ours and each peer in turn, medians of the quotients.
//
// By default none of the peers gets along with ipmi_sim: ipmitool offers cipher
// suite 17, gets no answer and waits for seconds, hence -C 3; ipmipower speaks
// IPMI 1.5, hence -D LAN_2_0, and needs a workaround for the set-up. Ours has
// found out once which suite it takes, and remembers that in the user's cache.
//
// The quotient to ipmipower differs between machines. It reads the file of
// settings that its package installs (/etc/freeipmi/freeipmi.conf, comments only)
// byte by byte, by 14,000 system calls: half its time where one takes a fifth of a
// microsecond, nearly all of it where one takes two. Ours makes 500 in all.
const (
	toIpmitool  = 0.35
	toIpmipower = 0.6
	// untilThen guards what is reached while toIpmipower is not, with room for a
	// busy machine. A ctys that does nothing takes two thirds of toIpmipower
	// already: Go's start, and that of the packages which speak SSH and libvirt.
	untilThen = 1.25
)

func benchSingle() error {
	path, ok := peer("ipmi_sim", "one BMC")
	if !ok {
		return nil
	}
	folder, err := os.MkdirTemp("", "ctys-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	sim, err := startSimulator(path, folder)
	if err != nil {
		return err
	}
	defer sim.stop()
	sides, err := sim.ours()
	if err != nil {
		return err
	}
	var failures []error
	for _, other := range []struct {
		name            string
		promised, limit float64
	}{{"ipmitool", toIpmitool, toIpmitool}, {"ipmipower", toIpmipower, untilThen}} {
		path, ok := peer(other.name, "one BMC")
		if !ok {
			continue
		}
		for _, side := range sides {
			got, what, err := sim.beside(side, other.name, sim.peer(path, other.name))
			if err == nil && side.bound {
				err = promise(what, got, other.promised, other.limit)
			} else if err == nil {
				fmt.Printf("%-58s %10.4g\n", what, got)
			}
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// side is what one types, and where ours does.
type side struct {
	name string
	program
	bound bool // by the limits
}

// ours is what a user types; without the script the client alone, which has no
// limit. Beside it stands what a ctys takes that asks nobody.
func (s *simulator) ours() ([]side, error) {
	machines := fmt.Sprintf("return { lab01 = { bmc = { host = %q, port = %d, user = %q, password = secret.env(%q) } } }\n", simAddress, s.port, farmUser, farmSecret)
	file := filepath.Join(s.folder, "machines.lua")
	if err := os.WriteFile(file, []byte(machines), 0o600); err != nil {
		return nil, err
	}
	env := append(homeIn(s.folder), s.secrets...)
	nothing := side{name: "ctys version", program: program{Argv: []string{binary, "version"}, Env: env}}
	if !powerScript() {
		fmt.Println("ipmi: ctys power not measured, there is no script of this name")
		return []side{nothing}, nil
	}
	status := program{Argv: []string{binary, "--inventory", file, "power", "status", "lab01"}, Env: env}
	return []side{{name: "ctys power status", program: status, bound: true}, nothing}, nil
}

func (s *simulator) peer(path, name string) program {
	port := strconv.Itoa(s.port)
	if name == "ipmitool" {
		return program{Argv: []string{path, "-I", "lanplus", "-C", "3", "-H", simAddress, "-p", port, "-U", farmUser, "-E", "power", "status"}, Env: s.secrets}
	}
	return program{Argv: []string{path, "-D", "LAN_2_0", "-W", "opensesspriv", "-l", "admin", "-h", simAddress + ":" + port, "-u", farmUser, "-P", "--stat"}, Stdin: "secret\n"}
}

// taken is how long each run of a program took.
type taken struct{ wall, cpu []time.Duration }

func (t taken) String() string {
	return fmt.Sprintf("%.1f ms, CPU %.1f", milliseconds(median(t.wall)), milliseconds(median(t.cpu)))
}

// beside gives the median quotient, and what it is of.
func (s *simulator) beside(mine side, name string, its program) (quotient float64, what string, err error) {
	var mineTook, itsTook taken
	timed := func(p program, word string, took *taken) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			m, err := p.run()
			if err == nil && (m.Exit != 0 || !strings.Contains(m.Out, word)) {
				err = fmt.Errorf("%s: exit %d, %q", p.Argv[0], m.Exit, m.Out)
			}
			took.wall, took.cpu = append(took.wall, m.Wall), append(took.cpu, m.CPU)
			return m.Wall, err
		}
	}
	word := "off"
	if !mine.bound {
		word = "ctys"
	}
	quotients, err := alternate(timed(mine.program, word, &mineTook), timed(its, "off", &itsTook))
	if err != nil {
		return 0, "", err
	}
	what = fmt.Sprintf("%s (%v) to %s (%v), whole processes", mine.name, mineTook, name, itsTook)
	return median(quotients), what, nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
