package bridge

// way collects steps from what is there to what shall be.
type way struct {
	snapshot, now Snapshot
	steps         []Step
	given         []Address // by the steps so far
}

func (w *way) add(step Step) {
	step.Bridge = w.snapshot.Bridge.Name
	w.steps = append(w.steps, step)
}

func (w *way) give(name string, address Address) {
	if there, found := w.now.Find(name).address(address); found && address.fits(there) {
		return
	}
	w.given = append(w.given, address)
	w.add(Step{Action: GiveAddress, Interface: name, Address: &address})
}

func (w *way) take(name string, address Address) {
	if w.now.Find(name).hasAddress(address) {
		w.add(Step{Action: TakeAddress, Interface: name, Address: &address})
	}
}

// lead moves a route from one interface to another. One that the kernel makes
// for an address comes and goes with it.
func (w *way) lead(route Route, from, to string) {
	give, take := route.on(from, to), route
	there, old := w.now.Find(to).hasRoute(give), w.now.Find(from).hasRoute(take)
	if !there && give.comesWith(w.given) || there && !old {
		return
	}
	step := Step{Action: MoveRoute, Interface: to}
	if !there {
		step.Give = &give
	}
	if old {
		step.Take = &take
	}
	if step.Give == nil {
		step.Interface = from
	}
	w.add(step)
}
