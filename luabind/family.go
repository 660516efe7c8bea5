package luabind

// family is the list of a task's live children, oldest first. It is intrusive,
// so that adding and removing cost the same for ten and for 100,000 children.
type family struct {
	first, last *Task
}

func (f *family) add(child *Task) {
	child.prev = f.last
	if f.last == nil {
		f.first = child
	} else {
		f.last.next = child
	}
	f.last = child
}

// remove is free to be called for a child that has been removed before.
func (f *family) remove(child *Task) {
	if f.first != child && child.prev == nil {
		return
	}
	if child.prev == nil {
		f.first = child.next
	} else {
		child.prev.next = child.next
	}
	if child.next == nil {
		f.last = child.prev
	} else {
		child.next.prev = child.prev
	}
	child.prev, child.next = nil, nil
}

// after tells whether a child is left that was spawned behind the first n.
func (f *family) after(n uint32) bool {
	return f.last != nil && f.last.key[len(f.last.key)-1] > n
}
