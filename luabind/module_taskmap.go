package luabind

import lua "github.com/yuin/gopher-lua"

// taskMap calls a function for each element of a list, a bounded number at a
// time. settle keeps the errors; otherwise the first one stops the others.
func (rt *Runtime) taskMap(c *Call, settle bool) ([]lua.LValue, error) {
	list, fn := c.Table("list"), c.Callback("fn")
	count := list.Len()
	limit := count
	if c.Has("limit") {
		limit = min(limit, c.Int("limit"))
	}
	if err := rt.room(c, limit); err != nil {
		return nil, err
	}
	tasks := make([]*Task, count)
	together := &group{waiter: rt.current}
	started := 0
	begin := func() {
		started++
		task := rt.spawn(rt.current, "", fn, list.RawGetInt(started), lua.LNumber(started))
		task.observed = true
		task.group = together
		tasks[started-1] = task
	}
	for started < limit {
		begin()
	}
	var failed error
	for ended := 0; ended < started; ended++ {
		task, err := rt.joinNext(together)
		if err != nil {
			rt.stopAll(tasks[:started])
			return nil, err
		}
		if task.err != nil && !settle && failed == nil {
			failed = task.err
			rt.stopAll(tasks[:started])
		}
		if started < count && failed == nil {
			begin()
		}
	}
	if failed != nil {
		return nil, failed
	}
	return []lua.LValue{rt.mapResults(tasks, settle)}, nil
}

// group collects the tasks of one task.map as they end.
type group struct {
	waiter *Task
	done   []*Task
}

// joinNext gives the next task of the group that has ended.
func (rt *Runtime) joinNext(together *group) (*Task, error) {
	for len(together.done) == 0 {
		if err := rt.park(); err != nil {
			return nil, err
		}
	}
	task := together.done[0]
	together.done = together.done[1:]
	rt.current.caughtUp(task)
	return task, nil
}

func (rt *Runtime) stopAll(tasks []*Task) {
	for _, task := range tasks {
		if !task.finished {
			task.cancel(errCanceled)
		}
	}
	rt.noticeCanceled()
}

func (rt *Runtime) mapResults(tasks []*Task, settle bool) lua.LValue {
	results := rt.root.CreateTable(len(tasks), 0)
	for i, task := range tasks {
		var value lua.LValue = lua.LNil
		if len(task.values) > 0 {
			value = task.values[0]
		}
		if settle {
			record := rt.root.CreateTable(0, 3)
			record.RawSetString("ok", lua.LBool(task.err == nil))
			record.RawSetString("value", value)
			if task.err != nil {
				record.RawSetString("error", rt.errorValue(task.err))
			}
			value = record
		}
		results.RawSetInt(i+1, value)
	}
	return results
}
