package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim/bmc"
)

// console is a program that asks many BMCs at once, or switches them.
type console struct {
	name string
	// limits are those of its share of ipmipower's wall, CPU and memory, where
	// it is one of ours.
	limits [3]float64
	// ask gives the program for a farm.
	ask func(f *farm, verb string) program
	// answers reads "on", "off" or an error for each BMC, by its number from 1
	// on, out of what it printed.
	answers func(f *farm, out string) map[int]string
}

// The verbs.
const (
	askStatus = "status"
	doCycle   = "cycle"
)

// lineOf reads "KEY: VALUE" lines into those of the BMCs.
func lineOf(f *farm, out string, key func(n int) string) map[int]string {
	numbers := map[string]int{}
	for n := 1; n <= f.size; n++ {
		numbers[key(n)] = n
	}
	found := map[int]string{}
	for _, line := range strings.Split(out, "\n") {
		if before, after, ok := strings.Cut(line, ": "); ok && numbers[before] > 0 {
			found[numbers[before]] = strings.TrimSpace(after)
		}
	}
	return found
}

// ipmipower with what it does by default, beside the protocol. The password
// comes by its standard input.
func ipmipower(path string, options ...string) console {
	return console{
		name: "ipmipower",
		ask: func(f *farm, verb string) program {
			hosts := make([]string, f.size)
			for i := range hosts {
				hosts[i] = addressOf(i+1) + ":" + strconv.Itoa(f.port)
			}
			argv := append([]string{path, "-D", "LAN_2_0", "-h", strings.Join(hosts, ","), "-u", farmUser, "-P"}, options...)
			return program{Argv: append(argv, map[string]string{askStatus: "--stat", doCycle: "--cycle"}[verb]), Stdin: "secret\n"}
		},
		answers: func(f *farm, out string) map[int]string {
			return lineOf(f, strings.TrimPrefix(out, "Password: "), addressOf)
		},
	}
}

const clientWord = "client"

// ownClient is primitives/ipmi in a process of its own.
func ownClient(folder string, deadline time.Duration) console {
	return console{
		name: "client", limits: [3]float64{toPeerWall, toPeerCPU, toPeerMemory},
		ask: func(f *farm, verb string) program {
			return program{Argv: []string{self, clientWord, verb, strconv.Itoa(f.size), strconv.Itoa(f.port), deadline.String(), folder}, Env: f.secrets}
		},
		answers: func(f *farm, out string) map[int]string { return lineOf(f, out, strconv.Itoa) },
	}
}

// runClient is that process: it prints "NUMBER: on" for each BMC as it comes.
func runClient(words []string) error {
	verb, folder := words[0], words[4]
	size, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	deadline, err := time.ParseDuration(words[3])
	if err != nil {
		return err
	}
	client := ipmi.New(ipmi.Options{Cache: folder})
	password := primitives.Secret{Reveal: func(context.Context) (string, error) { return os.Getenv(farmSecret), nil }}
	var all sync.WaitGroup
	slots := make(chan struct{}, clientAtOnce)
	for n := 1; n <= size; n++ {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			defer cancel()
			target := ipmi.Target{Host: addressOf(n), Port: port, User: farmUser, Password: password}
			fmt.Printf("%d: %s\n", n, oneOf(ctx, client, target, verb))
		})
	}
	all.Wait()
	return nil
}

// clientAtOnce is how many calls the client has at once; it sees to its pace
// itself.
const clientAtOnce = 1024

func oneOf(ctx context.Context, client *ipmi.Client, target ipmi.Target, verb string) string {
	if verb == doCycle {
		if err := client.Control(ctx, target, ipmi.Cycle); err != nil {
			return oneLine(err)
		}
		return "ok"
	}
	status, err := client.Status(ctx, target)
	if err != nil {
		return oneLine(err)
	}
	return status.Power.String()
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// ctysPower is "ctys power VERB @farm", as a user types it: the same client below
// Lua, which has a task for each machine. The promises hold for it too.
func ctysPower(folder string, deadline time.Duration) console {
	return console{
		name: "ctys power", limits: [3]float64{toPeerWall, toPeerCPU, toPeerMemory},
		ask: func(f *farm, verb string) program {
			argv := []string{binary, "--inventory", filepath.Join(folder, "machines.lua"), "--yes", "power", verb, "@farm", "--timeout", fmt.Sprint(deadline.Seconds())}
			if verb == doCycle {
				argv = append(argv, "--native")
			}
			return program{Argv: argv, Env: append(homeIn(folder), f.secrets...)}
		},
		answers: func(f *farm, out string) map[int]string {
			found := lineOf(f, out, bmc.Name)
			for n, text := range found {
				if found[n] = strings.TrimSuffix(text, ", seen by bmc"); strings.HasPrefix(text, "on, cycle taken") {
					found[n] = "ok"
				}
			}
			return found
		},
	}
}

// homeIn keeps what a program remembers, and how it is set, within a folder.
func homeIn(folder string) []string {
	return []string{"HOME=" + folder, "XDG_CONFIG_HOME=" + folder, "XDG_CACHE_HOME=" + folder, "XDG_STATE_HOME=" + folder, "CTYS_PATH=", "CTYS_INVENTORY="}
}

// writeInventory writes the machines of a farm, and the group @farm.
func writeInventory(folder string, f *farm) error {
	var text strings.Builder
	text.WriteString("return {\n")
	for n := 1; n <= f.size; n++ {
		fmt.Fprintf(&text, "  %s = { bmc = { host = %q, port = %d, user = %q, password = secret.env(%q) } },\n", bmc.Name(n), addressOf(n), f.port, farmUser, farmSecret)
	}
	fmt.Fprintf(&text, "  [\"@farm\"] = { \"bmc[%04d-%04d]\" },\n}\n", 1, f.size)
	return os.WriteFile(filepath.Join(folder, "machines.lua"), []byte(text.String()), 0o600)
}
