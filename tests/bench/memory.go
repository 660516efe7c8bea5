package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"ctys/luabind"

	lua "github.com/yuin/gopher-lua"
)

// A waiting task is one of very many when a script watches a data centre; what
// it holds is its goroutine and its stacks of Lua.

// waiting is how a task waits, and the KiB that one may hold.
var waiting = []struct {
	place string
	limit float64
	body  string
}{
	{"flat", 10, `rest()`},
	{"pcall", 20, `pcall(rest)`},
	{"metamethod", 20, `local t = setmetatable({}, { __index = function() return rest() end }); local _ = t.x`},
	{"coroutine", 20, `coroutine.wrap(rest)()`},
}

// Tasks for the two sizes; linear means that a task of the larger crowd holds
// no more than this much of one of the smaller.
const (
	few, many = 10_000, 100_000
	linear    = 1.1
)

const waiterWord = "waiters"

func benchMemory() error {
	var failures []error
	for _, kind := range waiting {
		small, err := waiters(kind.place, few)
		if err != nil {
			return err
		}
		large, err := waiters(kind.place, many)
		if err != nil {
			return err
		}
		failures = append(failures,
			ratio(fmt.Sprintf("KiB a task waiting in %s, %d tasks", kind.place, few), small, kind.limit),
			ratio(fmt.Sprintf("KiB a task waiting in %s, %d tasks", kind.place, many), large, kind.limit),
			ratio(fmt.Sprintf("the same, %d to %d tasks", many, few), large/small, linear))
	}
	return errors.Join(failures...)
}

// waiters measures in a process of its own, where nothing else was before.
func waiters(place string, count int) (kib float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, waiterWord, place, strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%d tasks waiting in %s: %w", count, place, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// crowd lets COUNT tasks wait, and measures when all of them do.
const crowd = `
local count, waiting = COUNT, 0
local function rest() waiting = waiting + 1; task.sleep(3600) end
meter.begin()
for _ = 1, count do task.spawn(function() BODY end) end
repeat task.sleep(0.05) until waiting == count
meter.finish(count)
`

// measureWaiters prints the KiB that each of so many tasks holds, and ends the
// process while they wait.
func measureWaiters(place, count string) error {
	for _, kind := range waiting {
		if kind.place != place {
			continue
		}
		source := strings.NewReplacer("COUNT", count, "BODY", kind.body).Replace(crowd)
		host := luabind.New(luabind.Capabilities{}, luabind.Options{Modules: []*luabind.Module{meter()}})
		_, err := host.Run(context.Background(), luabind.Script{Name: "crowd.lua", Source: source})
		return err
	}
	return fmt.Errorf("nobody waits in %q", place)
}

// meter is the module with which the script measures itself.
func meter() *luabind.Module {
	var before uint64
	return &luabind.Module{Name: "meter", Help: "Memory in use.", Functions: []luabind.Function{
		{Name: "begin", Help: "Notes what is in use now.", Result: "nothing", Example: "meter.begin()",
			Run: func(*luabind.Call) ([]lua.LValue, error) {
				before = inUse()
				return nil, nil
			}},
		{Name: "finish", Help: "Prints the KiB that each of so many holds.", Result: "nothing", Example: "meter.finish(10)",
			Args: []luabind.Param{{Name: "count", Type: luabind.Integer, Required: true}},
			Run: func(c *luabind.Call) ([]lua.LValue, error) {
				fmt.Println(float64(inUse()-before) / 1024 / c.Number("count"))
				os.Exit(0)
				return nil, nil
			}},
	}}
}

// inUse is the memory of heap and goroutines that the collector leaves.
func inUse() uint64 {
	debug.FreeOSMemory() // a collection, with its sweep, twice: finalizers free more
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
