package luabind

import lua "github.com/yuin/gopher-lua"

// signal is what task.event gives: something that happens once.
type signal struct {
	set     bool
	waiters []*Task
}

func taskEvent(c *Call) ([]lua.LValue, error) {
	return []lua.LValue{c.NewHandle("event", c.task.path(), &signal{}, lua.LNil)}, nil
}

func (rt *Runtime) eventHandle() HandleType {
	return HandleType{
		Name: "event", Help: "Something that happens once.",
		Methods: []Function{
			{Name: "set", Help: "Says that it has happened; once more changes nothing.", Result: "nothing", Example: `e:set()`,
				Run: func(c *Call) ([]lua.LValue, error) {
					rt.setSignal(c.Self.Data.(*signal))
					return nil, nil
				}},
			{Name: "wait", Help: "Waits until it has happened.", Result: "nothing", Example: `e:wait()`,
				Run: func(c *Call) ([]lua.LValue, error) { return nil, rt.awaitSignal(c.Self.Data.(*signal)) }},
		},
	}
}

func (rt *Runtime) setSignal(s *signal) {
	s.set = true
	for _, waiter := range s.waiters {
		rt.ready(waiter)
	}
	s.waiters = nil
}

func (rt *Runtime) awaitSignal(s *signal) error {
	for !s.set {
		s.waiters = append(s.waiters, rt.current)
		if err := rt.park(); err != nil {
			return err
		}
	}
	return nil
}
