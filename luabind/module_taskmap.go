package luabind

import (
	"time"

	lua "github.com/yuin/gopher-lua"
)

// taskMap calls a function for each element of a list, a bounded number at a
// time. settle keeps the errors; otherwise the first one stops the others.
func (rt *Runtime) taskMap(c *Call, settle bool) ([]lua.LValue, error) {
	list := c.Table("list")
	m := &mapping{
		rt: rt, fn: c.Callback("fn"), list: list, settle: settle,
		limit: list.Len(), patience: seconds(c.Number("patience")),
		elements: make([]element, list.Len()), together: &group{waiter: rt.current},
		results: rt.root.CreateTable(list.Len(), 0),
	}
	if c.Has("limit") {
		m.limit = min(m.limit, c.Int("limit"))
	}
	if err := rt.room(c, m.limit); err != nil {
		return nil, err
	}
	if err := m.run(); err != nil {
		return nil, err
	}
	return []lua.LValue{m.results}, nil
}

// mapping is one task.map or task.settle. What it holds of an element that has
// ended is its result.
type mapping struct {
	rt       *Runtime
	fn       *lua.LFunction
	list     *lua.LTable
	settle   bool
	limit    int
	patience time.Duration // 0: without end

	elements []element
	together *group
	begun    int
	ended    int
	counted  int // of those begun and not ended, how many count to the limit
	oldest   int // the first whose patience is not over
	results  *lua.LTable
}

// element is one of the list; its zero value has not begun, or has ended.
type element struct {
	task   *Task
	counts bool
	until  time.Time // it counts, with patience
}

// run begins the tasks, as many as may be, and takes in what they come to.
func (m *mapping) run() error {
	var failed error
	for m.ended < m.begun || m.begun < len(m.elements) && failed == nil {
		for failed == nil && m.mayBegin() {
			m.begin()
		}
		task, err := m.next()
		if err != nil {
			m.stop()
			return err
		}
		if task == nil {
			continue
		}
		m.take(task)
		if task.err != nil && !m.settle && failed == nil {
			failed = task.err
			m.stop()
		}
	}
	return failed
}

func (m *mapping) mayBegin() bool {
	return m.begun < len(m.elements) && m.counted < m.limit && (m.begun == m.ended || m.rt.alive < m.rt.limits.Tasks)
}

func (m *mapping) begin() {
	element := &m.elements[m.begun]
	m.begun++
	m.counted++
	element.task = m.rt.spawn(m.rt.current, "", m.fn, m.list.RawGetInt(m.begun), lua.LNumber(m.begun))
	element.task.observed, element.task.group, element.task.place = true, m.together, m.begun
	element.counts = true
	if m.patience > 0 {
		element.until = m.rt.caps.Clock.Now().Add(m.patience)
	}
}

// next gives a task that has ended; nil where one has waited for so long that
// another may begin.
func (m *mapping) next() (*Task, error) {
	for len(m.together.done) == 0 {
		if m.release() {
			return nil, nil
		}
		err := m.park()
		if err != nil {
			return nil, err
		}
	}
	task := m.together.done[0]
	m.together.done = m.together.done[1:]
	m.rt.current.caughtUp(task)
	return task, nil
}

// park waits for a task to end, or for the patience with the oldest one.
func (m *mapping) park() error {
	if m.patience > 0 && m.oldest < m.begun && m.begun < len(m.elements) {
		waiter := m.rt.current
		left := m.elements[m.oldest].until.Sub(m.rt.caps.Clock.Now())
		defer m.rt.caps.Clock.AfterFunc(left, func() { m.rt.nudge(waiter) })()
	}
	return m.rt.park()
}

// release lets those no longer count with which the patience is over, and tells
// whether there was one.
func (m *mapping) release() bool {
	if m.patience == 0 {
		return false
	}
	before, now := m.counted, m.rt.caps.Clock.Now()
	for ; m.oldest < m.begun; m.oldest++ {
		element := &m.elements[m.oldest]
		if element.task != nil && now.Before(element.until) {
			break
		}
		m.discount(element)
	}
	return m.counted < before
}

func (m *mapping) discount(e *element) {
	if e.counts {
		e.counts = false
		m.counted--
	}
}

// take notes what a task came to.
func (m *mapping) take(task *Task) {
	m.ended++
	element := &m.elements[task.place-1]
	m.discount(element)
	element.task = nil
	var value lua.LValue = lua.LNil
	if len(task.values) > 0 {
		value = task.values[0]
	}
	if m.settle {
		value = m.settled(task, value)
	}
	m.results.RawSetInt(task.place, value)
}

func (m *mapping) settled(task *Task, value lua.LValue) lua.LValue {
	record := m.rt.root.CreateTable(0, 2)
	record.RawSetString("ok", lua.LBool(task.err == nil))
	if value != lua.LNil {
		record.RawSetString("value", value)
	}
	if task.err != nil {
		record.RawSetString("error", m.rt.errorValue(task.err))
	}
	return record
}

// stop cancels those that have not ended.
func (m *mapping) stop() {
	for _, element := range m.elements[:m.begun] {
		if element.task != nil && !element.task.finished {
			element.task.cancel(errCanceled)
		}
	}
	m.rt.noticeCanceled()
}

// group collects the tasks of one task.map as they end.
type group struct {
	waiter *Task
	done   []*Task
}
