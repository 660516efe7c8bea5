package luabind

import "sync"

// runQueue is the baton: exactly one task runs Lua at a time, and the others
// that could run stand in line. A task that puts the baton down hands it to
// the head of the line.
type runQueue struct {
	mu      sync.Mutex
	line    []*Task
	head    int
	running bool
}

// enter puts a task that may run at the end of the line. Its goroutine gets
// the baton by receiving from Task.wake.
func (q *runQueue) enter(t *Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.append(t)
}

func (q *runQueue) append(t *Task) {
	if !q.running {
		q.running = true
		t.wake <- struct{}{}
		return
	}
	q.line = append(q.line, t)
}

// leave hands the baton to the next in line.
func (q *runQueue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.line) {
		q.line, q.head = q.line[:0], 0
		q.running = false
		return
	}
	next := q.line[q.head]
	q.line[q.head] = nil
	q.head++
	q.compact()
	next.wake <- struct{}{}
}

// compact gives back the room of those who have been served.
func (q *runQueue) compact() {
	if q.head > 1024 && q.head*2 > len(q.line) {
		q.line = append(q.line[:0:0], q.line[q.head:]...)
		q.head = 0
	}
}
