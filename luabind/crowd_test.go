package luabind

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"ctys/luabind/inventory"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// A thousand that are slow do not hold up those behind them, and no more are
// begun at once than the limit says.
func TestPatience(t *testing.T) {
	rt, clock := virtual(t, Options{})
	values := run(t, rt, `
		local list, alive, most, began = {}, 0, 0, {}
		for i = 1, 1000 do list[i] = i end
		local t0 = task.now()
		local results = task.map(list, function(i)
		  began[#began + 1] = task.now() - t0
		  alive = alive + 1
		  most = math.max(most, alive)
		  task.sleep(i % 2 == 0 and 20 or 0.001)
		  alive = alive - 1
		  return i
		end, {limit = 10, patience = 0.05})
		for i = 1, 1000 do assert(results[i] == i) end
		local burst = 0
		for i = 11, #began do if began[i] - began[i - 10] < 0.0005 then burst = burst + 1 end end
		return most, burst`)
	if elapsed := clock.Elapsed(); elapsed < 20*time.Second || elapsed > 24*time.Second {
		t.Errorf("took %s: 500 that take 20 s are to be begun within some seconds", elapsed)
	}
	if values[0] == "10" || values[1] != "0" {
		t.Errorf("%s were alive at once, and %s times more than ten began at once", values[0], values[1])
	}

	rt, clock = virtual(t, Options{})
	values = run(t, rt, `
		local list, alive, most = {}, 0, 0
		for i = 1, 30 do list[i] = i end
		task.map(list, function()
		  alive = alive + 1
		  most = math.max(most, alive)
		  task.sleep(1)
		  alive = alive - 1
		end, {limit = 10})
		return most`)
	if elapsed := clock.Elapsed(); elapsed != 3*time.Second || values[0] != "10" {
		t.Errorf("without patience: %s at once, %s", values[0], elapsed)
	}
}

// The first that raises stops those that have begun and those that have not.
func TestPatienceAndErrors(t *testing.T) {
	rt, clock := virtual(t, Options{})
	values := run(t, rt, `
		local list, began = {}, 0
		for i = 1, 100 do list[i] = i end
		local ok, err = pcall(task.map, list, function(i)
		  began = began + 1
		  task.sleep(i == 12 and 1 or 60)
		  error("it was " .. i)
		end, {limit = 10, patience = 0.5})
		return ok, tostring(err), began`)
	if values[0] != "false" || !strings.Contains(values[1], "it was 12") || values[2] != "30" || clock.Elapsed() != 1500*time.Millisecond {
		t.Errorf("%q after %s", values, clock.Elapsed())
	}
}

// A task gets a thread of Lua that no other task can know.
func TestATaskHasItsOwnThread(t *testing.T) {
	rt, _ := virtual(t, Options{})
	run(t, rt, `
		local seen, list = {}, {}
		for i = 1, 100 do list[i] = i end
		task.map(list, function()
		  local me = coroutine.running()
		  assert(not seen[me], "the thread of a task that has ended")
		  seen[me] = true
		  task.sleep(0.1)
		end, {limit = 5})`)
}

// What an earlier task has left behind, on its thread or its goroutine, is not
// there for the next one.
func TestTasksAfterFailedOnes(t *testing.T) {
	rt, _ := virtual(t, Options{})
	run(t, rt, `
		local list = {}
		for i = 1, 200 do list[i] = i end
		local keep = {}
		local results = task.settle(list, function(i)
		  local mine = i
		  keep[i] = function() mine = mine + 1; return mine end
		  task.sleep(0.01)
		  if i % 3 == 0 then error{kind = "busy", message = "third"} end
		  return i, "more", {}
		end, {limit = 4})
		for i = 1, 200 do
		  assert(results[i].ok == (i % 3 ~= 0))
		  assert(results[i].ok and results[i].value == i or results[i].error.kind == "busy")
		  assert(keep[i]() == i + 1)
		end`)
}

// The goroutines that served tasks end with the run.
func TestWorkersEndWithTheRun(t *testing.T) {
	before := runtime.NumGoroutine()
	rt, _ := virtual(t, Options{})
	run(t, rt, `local list = {} for i = 1, 2000 do list[i] = i end task.map(list, function() task.sleep(1) end, {limit = 500})`)
	for range 100 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		runtime.Gosched()
		_ = primitives.SystemClock{}.Sleep(context.Background(), 10*time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d afterwards", before, runtime.NumGoroutine())
}

func TestLater(t *testing.T) {
	for source, want := range map[string]string{
		// It begins when its time has come, beside others.
		`local t = task.later(5, function(x) note("late", x); task.sleep(2); return x end, "arg")
		 task.sleep(6); note("awake"); note("got", t:wait())`: "5 late arg, 6 awake, 7 got arg",
		// Or as soon as somebody waits for it.
		`local t = task.later(5, function() note("now"); return 1 end); task.sleep(1); note("got", t:wait())`: "1 now, 1 got 1",
		// It never begins where it is cancelled before.
		`local t = task.later(5, function() note("never") end); task.sleep(1); t:cancel(); task.sleep(9); note(select(2, pcall(t.wait, t)).kind)`: "10 canceled",
		// The task that has made it ends after it,
		`task.spawn(function() task.later(3, function() note("in the end") end) end):wait(); note("done")`: "3 in the end, 3 done",
		// and takes it along where it fails.
		`pcall(function() task.spawn(function() task.later(3, function() note("never") end); error("x") end):wait() end); note("done")`:                                     "0 done",
		`local t = task.spawn(task.deadline, 2, function() task.later(5, function() note("never") end); task.sleep(60) end); pcall(t.wait, t); note("done"); task.sleep(9)`: "2 done",
		// What it raises and nobody waits for fails the one who has made it.
		`local ok, err = pcall(function() task.spawn(function() task.later(1, error, "boom") end):wait() end); note(ok, tostring(err))`: "1 false boom",
	} {
		rt, _ := virtual(t, Options{})
		got := run(t, rt, `
			local t0, notes = task.now(), {}
			function note(...)
			  local words = { tostring(task.now() - t0) }
			  for i = 1, select("#", ...) do words[#words + 1] = tostring((select(i, ...))) end
			  notes[#notes + 1] = table.concat(words, " ")
			end
			`+source+`
			return table.concat(notes, ", ")`)
		if got[0] != want && !strings.HasSuffix(want, "boom") || !strings.HasPrefix(got[0], strings.TrimSuffix(want, "boom")) {
			t.Errorf("%s\ngives %q, want %q", source, got[0], want)
		}
	}
}

func TestEvents(t *testing.T) {
	rt, clock := virtual(t, Options{})
	values := run(t, rt, `
		local e, order = task.event(), {}
		for i = 1, 3 do task.spawn(function() e:wait(); order[#order + 1] = i end) end
		task.spawn(function() task.sleep(4); e:set(); e:set() end):wait()
		e:wait()
		local ok, err = pcall(task.deadline, 2, function() task.event():wait() end)
		return table.concat(order, " "), err.kind`)
	if values[0] != "1 2 3" || values[1] != "timeout" || clock.Elapsed() != 6*time.Second {
		t.Errorf("%q after %s", values, clock.Elapsed())
	}
}

// A row has all its fields in Lua too, by their names there.
func TestARowHasAllItsFields(t *testing.T) {
	rt, _ := virtual(t, Options{})
	row := &inventory.Row{BMC: &inventory.BMC{}}
	fill(reflect.ValueOf(row).Elem())
	fill(reflect.ValueOf(row.BMC).Elem())
	for table, record := range map[*lua.LTable]any{rt.rowValue(row).(*lua.LTable): *row, rt.bmcValue(row).(*lua.LTable): *row.BMC} {
		for _, field := range fieldsOf(reflect.TypeOf(record)) {
			if field.key != "extra" && table.RawGetString(field.key) == lua.LNil {
				t.Errorf("%T: %s is missing", record, field.key)
			}
		}
	}
	if own := rt.rowValue(&inventory.Row{Extra: map[string]any{"rack": 7.0}}).(*lua.LTable); own.RawGetString("rack") != lua.LNumber(7) || own.RawGetString("port") != lua.LNil {
		t.Errorf("rack %v, port %v", own.RawGetString("rack"), own.RawGetString("port"))
	}
}

// fill gives each field of a record some value.
func fill(record reflect.Value) {
	for i := range record.NumField() {
		switch field := record.Field(i); field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Int, reflect.Int64:
			field.SetInt(7)
		case reflect.Slice:
			field.Set(reflect.ValueOf([]string{"x"}))
		case reflect.Array:
			field.Index(0).SetUint(7)
		case reflect.Struct:
			fill(field)
		}
	}
}
