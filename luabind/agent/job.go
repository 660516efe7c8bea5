package agent

import (
	"context"
	"sync"
	"testing/fstest"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
)

// job is one order that is carried out here.
type job struct {
	host    Host
	order   luabind.Order
	id      string           // empty where it has no folder
	journal *journal.Journal // nil: nothing is kept on disk
	refusal error            // why there is no journal, here or at the desk, although one is due
	earlier *journal.History // of the process of this job that was cut short; nil: this is the first

	hub    *hub
	log    *eventLog
	cancel context.CancelFunc

	release   func()        // gives the powers back: what is held up until then, such as a sleep, goes on
	ended     chan struct{} // closed when outcome stands
	outcome   outcome
	once      sync.Once
	delivered chan struct{} // closed when a desk has the outcome
}

func newJob(host Host, order luabind.Order) *job {
	return &job{
		host: host, order: order,
		hub: newHub(host.Clock, order.Machine.Name), log: newEventLog(), cancel: func() {}, release: func() {},
		ended: make(chan struct{}), delivered: make(chan struct{}),
	}
}

func (j *job) hasEnded() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

func (j *job) deliver() { j.once.Do(func() { close(j.delivered) }) }

// farewellWait is how long a desk that is there may take to hear how the job
// ended, before its powers are given back: a machine that goes to sleep then
// says nothing more.
const farewellWait = 5 * time.Second

// run carries the order out and keeps how it ended.
func (j *job) run(ctx context.Context) {
	defer func() { j.release() }()
	value, err := j.carryOut(ctx)
	if j.host.Life.Err() != nil {
		return // without power, nothing more is written or told
	}
	j.outcome = outcome{Value: value, Error: failureOf(err)}
	if err := j.keepOutcome(); err != nil && j.outcome.Error == nil {
		j.outcome.Error = failureOf(err)
	}
	close(j.ended)
	if j.hub.isAttached() {
		j.awaitDelivery(farewellWait)
	}
}

func (j *job) carryOut(ctx context.Context) (any, error) {
	if err := j.hub.awaitDesk(ctx); err != nil {
		return nil, err
	}
	if j.order.Deadline > 0 {
		limited, cancel := primitives.WithTimeout(ctx, j.host.Clock, j.order.Deadline)
		defer cancel()
		ctx = limited
	}
	powers, err := j.inventory()
	if err != nil {
		return nil, err
	}
	capabilities, release, err := j.host.Capabilities(ctx, j.order)
	if err != nil {
		return nil, err
	}
	if release != nil {
		j.release = release
	}
	keeper := &recorder{job: j, journal: j.journal, refusal: j.refusal, log: j.log}
	defer keeper.release()
	if j.refusal != nil && j.order.NoJournal == "" { // of its own the desk has warned
		keeper.warn("what takes power away is refused there: " + j.refusal.Error())
	}
	runtime := luabind.New(j.capabilities(capabilities, powers), j.options(powers, keeper))
	value, err := runtime.CallScript(ctx, j.order.Script, j.order.Function, j.order.Request)
	return value, err
}

// capabilities replaces what only the desk has.
func (j *job) capabilities(own luabind.Capabilities, inv *inventory.Inventory) luabind.Capabilities {
	if own.Clock == nil {
		own.Clock = j.host.Clock
	}
	own.Remote = nil
	if j.host.Guard != nil && j.journal != nil {
		own.Guard = j.host.Guard(j.journal.Folder())
	}
	if own.Shutdown != nil {
		own.Shutdown = lastWord{Shutdown: own.Shutdown, job: j}
	}
	own.Relocate = deskRelocator{hub: j.hub}
	own.IPMI = deskIPMI{hub: j.hub, inventory: inv, self: j.order.Machine.Name, own: own.IPMI}
	return own
}

func (j *job) options(inv *inventory.Inventory, keeper *recorder) luabind.Options {
	authority := j.order.Authority
	options := luabind.Options{
		Authority: &authority, Plan: j.order.Plan, Yes: j.order.Yes, MayDown: j.order.MayDown, Self: j.order.Machine.Name,
		Inventory: inv, Settings: j.order.Settings,
		Receipt: j.hub.awaitReceipt,
		History: j.earlier,
	}
	if len(j.order.Modules) > 0 {
		options.Path = append(options.Path, modules(j.order.Modules))
	}
	options.Journal, options.Stdout = keeper, printed{keeper}
	return options
}

// modules are the site's own scripts, as they were shipped.
func modules(texts map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o400}
	}
	return files
}

// inventory reads the rows that were shipped. Their secrets stay at the desk
// until they are used.
func (j *job) inventory() (*inventory.Inventory, error) {
	if j.order.Inventory == "" {
		return inventory.Empty(), nil
	}
	inv, err := inventory.Parse("machines.lua", []byte(j.order.Inventory))
	if err != nil {
		return nil, err
	}
	inv.Resolver = func(ctx context.Context, ref inventory.SecretRef, _ string) (string, error) {
		var text string
		err := j.hub.ask(ctx, serviceSecret, ref.Name, &text, nil)
		return text, err
	}
	return inv, nil
}
