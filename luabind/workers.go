package luabind

// workers are goroutines that wait for the next task. The stack of one that has
// run a task is as large as calls of Lua need, which a new one grows to in steps
// that each copy it. Whoever touches them holds the baton.
type workers struct{ idle []chan *Task }

// maxIdle is how many wait.
const maxIdle = 256

// give has a worker run a task.
func (w *workers) give(rt *Runtime, task *Task) {
	last := len(w.idle) - 1
	if last < 0 {
		go rt.work(task)
		return
	}
	next := w.idle[last]
	w.idle = w.idle[:last]
	next <- task
}

// work runs a task and those that follow, until nobody has one any more.
func (rt *Runtime) work(task *Task) {
	next := make(chan *Task, 1)
	for task != nil {
		rt.run(task, next)
		task = <-next
	}
}

// rest lets the worker behind next wait, or tells it to end. It is called before
// its task puts the baton down for the last time.
func (w *workers) rest(next chan *Task) {
	if len(w.idle) < maxIdle {
		w.idle = append(w.idle, next)
		return
	}
	close(next)
}

// dismiss ends all of them.
func (w *workers) dismiss() {
	for _, next := range w.idle {
		close(next)
	}
	w.idle = nil
}
