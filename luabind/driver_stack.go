package luabind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"ctys/primitives"
	"ctys/primitives/stack"
	"ctys/stdlib"
)

// driversFolder is where drivers are: one of the search path's folders, or of
// the embedded modules'.
const driversFolder = "drivers"

// spoken are the hypervisors that Go speaks to itself.
var spoken = []string{"qemu", "lxc", "xen", "qmp", "test"}

// drivenStack gives the hypervisors of driver scripts beside those that Go
// speaks to. Scripts see no difference.
type drivenStack struct {
	spoken Stack
	driven *stack.Client // of the drivers' guests

	path  []fs.FS
	exec  Exec
	clock primitives.Clock

	mu    sync.Mutex
	found map[string]*driverScript // by name; nil: not looked for yet
}

// driverScript is a driver that there is, loaded when it is first used.
type driverScript struct {
	name   string
	stack  *drivenStack
	shared func() *driverLua

	mu     sync.Mutex
	opened bool
	driver *driver
	err    error
}

// open loads the driver, once.
func (s *driverScript) open(ctx context.Context) (*driver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened {
		return s.driver, s.err
	}
	s.opened = true
	if slices.Contains(spoken, s.name) {
		s.err = primitives.Errorf(primitives.Invalid, "driver", driversFolder+"/"+s.name+".lua",
			"ctys speaks to %s itself: give the driver another name", s.name)
	} else {
		s.driver, s.err = openDriver(ctx, s.shared(), s.name, s.stack.exec, s.stack.clock)
	}
	return s.driver, s.err
}

// withDrivers adds the driver scripts of a search path to a Stack. They need
// the power to run programs; without it there are none.
func withDrivers(capabilities Capabilities, path []fs.FS) Stack {
	if capabilities.Stack == nil || capabilities.Exec == nil {
		return capabilities.Stack
	}
	s := &drivenStack{spoken: capabilities.Stack, path: path, exec: capabilities.Exec, clock: capabilities.Clock}
	s.driven = stack.New(stack.Options{Clock: capabilities.Clock, Drivers: s.driver})
	return s
}

// Drivers gives the names of the driver scripts of a search path and of the
// stock, sorted.
func Drivers(path []fs.FS) []string {
	found := map[string]bool{}
	for _, dir := range append(slices.Clone(path), stdlib.FS) {
		entries, err := fs.ReadDir(dir, driversFolder)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if name, isLua := strings.CutSuffix(entry.Name(), ".lua"); isLua && !entry.IsDir() && !isTest(name) {
				found[name] = true
			}
		}
	}
	return sortedNames(found)
}

// scripts are the drivers that there are.
func (s *drivenStack) scripts() map[string]*driverScript {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		shared := sync.OnceValue(func() *driverLua { return &driverLua{rt: powerless(s.path)} })
		s.found = map[string]*driverScript{}
		for _, name := range Drivers(s.path) {
			s.found[name] = &driverScript{name: name, stack: s, shared: shared}
		}
	}
	return s.found
}

// driver is what stack.Options.Drivers asks for.
func (s *drivenStack) driver(ctx context.Context, name string) (stack.Driver, error) {
	script := s.scripts()[name]
	if script == nil {
		return nil, nil
	}
	d, err := script.open(ctx)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// of finds who speaks to the hypervisor of a URI.
func (s *drivenStack) of(uri string) Stack {
	scheme, _, _ := strings.Cut(uri, "://")
	name, _, _ := strings.Cut(scheme, "+")
	if slices.Contains(spoken, name) || s.scripts()[name] == nil {
		return s.spoken
	}
	return s.driven
}

// Hypervisors is Stack. The drivers are looked for on this machine only.
func (s *drivenStack) Hypervisors(ctx context.Context, host string) ([]stack.Hypervisor, error) {
	if host != "" {
		return s.spoken.Hypervisors(ctx, host)
	}
	var driven []stack.Hypervisor
	var asked sync.WaitGroup
	asked.Go(func() { driven = s.probe(ctx) })
	list, err := s.spoken.Hypervisors(ctx, host)
	asked.Wait()
	if err != nil && len(list) == 0 {
		return nil, err
	}
	list = append(list, driven...)
	var problems []error
	for _, hypervisor := range list {
		problems = append(problems, hypervisor.Problem)
	}
	if cause := errors.Join(problems...); cause != nil {
		return list, &primitives.Error{Kind: primitives.KindOf(cause), Op: "stack.hypervisors", Message: "not every hypervisor answers", Cause: cause}
	}
	return list, nil
}

// probe asks every driver at once whether its tool is here.
func (s *drivenStack) probe(ctx context.Context) []stack.Hypervisor {
	scripts := s.scripts()
	names := slices.Sorted(maps.Keys(scripts))
	answers := make([]stack.Hypervisor, len(names))
	var asked sync.WaitGroup
	for i, name := range names {
		asked.Go(func() { answers[i] = probeDriver(ctx, scripts[name]) })
	}
	asked.Wait()
	return s.choose(ctx, answers)
}

// choose leaves out those that are not here, and those that give way to another
// one that is.
func (s *drivenStack) choose(ctx context.Context, answers []stack.Hypervisor) []stack.Hypervisor {
	here := func(name string) bool {
		return slices.ContainsFunc(answers, func(h stack.Hypervisor) bool { return h.URI != "" && h.Type == name })
	}
	var chosen []stack.Hypervisor
	for _, answer := range answers {
		if answer.URI == "" {
			continue
		}
		if d, err := s.scripts()[answer.Type].open(ctx); err == nil && slices.ContainsFunc(d.givesWay, here) {
			continue
		}
		chosen = append(chosen, answer)
	}
	return chosen
}

func probeDriver(ctx context.Context, script *driverScript) stack.Hypervisor {
	hypervisor := stack.Hypervisor{URI: script.name + ":///system", Type: script.name}
	d, err := script.open(ctx)
	if err != nil {
		hypervisor.Problem = fmt.Errorf("%s: %w", hypervisor.URI, err)
		return hypervisor
	}
	if d.onRequest {
		return stack.Hypervisor{}
	}
	version, there, err := d.version(ctx, "stack.hypervisors")
	if err == nil && !there {
		return stack.Hypervisor{}
	}
	hypervisor.Version, hypervisor.Problem = version, err
	return hypervisor
}

// Managers is Stack.
func (s *drivenStack) Managers(ctx context.Context, host string) ([]stack.Manager, error) {
	return s.spoken.Managers(ctx, host)
}

// List is Stack.
func (s *drivenStack) List(ctx context.Context, uri string) ([]stack.Guest, error) {
	return s.of(uri).List(ctx, uri)
}

// Inspect is Stack.
func (s *drivenStack) Inspect(ctx context.Context, guest stack.Ref) (stack.Guest, error) {
	return s.of(guest.URI).Inspect(ctx, guest)
}

// Shutdown is Stack.
func (s *drivenStack) Shutdown(ctx context.Context, guest stack.Ref, mode stack.Mode) error {
	return s.of(guest.URI).Shutdown(ctx, guest, mode)
}

// Reboot is Stack.
func (s *drivenStack) Reboot(ctx context.Context, guest stack.Ref, mode stack.Mode) error {
	return s.of(guest.URI).Reboot(ctx, guest, mode)
}

// Reset is Stack.
func (s *drivenStack) Reset(ctx context.Context, guest stack.Ref) error {
	return s.of(guest.URI).Reset(ctx, guest)
}

// Destroy is Stack.
func (s *drivenStack) Destroy(ctx context.Context, guest stack.Ref) error {
	return s.of(guest.URI).Destroy(ctx, guest)
}

// Start is Stack.
func (s *drivenStack) Start(ctx context.Context, guest stack.Ref) error {
	return s.of(guest.URI).Start(ctx, guest)
}

// Suspend is Stack.
func (s *drivenStack) Suspend(ctx context.Context, guest stack.Ref) error {
	return s.of(guest.URI).Suspend(ctx, guest)
}

// Resume is Stack.
func (s *drivenStack) Resume(ctx context.Context, guest stack.Ref) error {
	return s.of(guest.URI).Resume(ctx, guest)
}

// ManagedSave is Stack.
func (s *drivenStack) ManagedSave(ctx context.Context, guest stack.Ref) error {
	return s.of(guest.URI).ManagedSave(ctx, guest)
}

// Await is Stack.
func (s *drivenStack) Await(ctx context.Context, guest stack.Ref, states ...stack.State) (stack.Guest, error) {
	return s.of(guest.URI).Await(ctx, guest, states...)
}
