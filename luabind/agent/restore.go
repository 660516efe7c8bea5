package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/shutdown"
)

// rehearse is the option of `restore` that has it only find out whether it
// could.
const rehearse = "--check"

const opRestore = "bridge.restore"

// restorer puts a bridge back to what a guard's file says.
type restorer struct {
	clock  primitives.Clock
	bridge interface {
		Restoration(ctx context.Context, snapshot bridge.Snapshot) ([]bridge.Step, error)
		Apply(ctx context.Context, step bridge.Step) error
	}
	system interface {
		BootID(ctx context.Context) (string, error)
		GoingDown(ctx context.Context) (bool, error)
	}
	say func(text string) // what was done and why, for who reads it at a terminal or in systemd's journal
}

// newRestorer is for the machine that this process runs on.
func newRestorer(clock primitives.Clock, say func(string)) *restorer {
	return &restorer{clock: clock, bridge: bridge.New(bridge.Options{}), system: shutdown.New(shutdown.Options{Clock: clock}), say: say}
}

// errNothingDone is why a restoration was declined.
type errNothingDone struct{ why string }

func (e errNothingDone) Error() string { return e.why }

func declined(format string, args ...any) error { return errNothingDone{fmt.Sprintf(format, args...)} }

// restoreWait bounds one restoration, which takes well under a second where
// nobody holds up the kernel's tables.
const restoreWait = 2 * time.Minute

// restore carries a file out and marks it as done. To be called again for one
// that is done changes nothing.
func (r *restorer) restore(ctx context.Context, path string) error {
	ctx, cancel := primitives.WithTimeout(ctx, r.clock, restoreWait)
	defer cancel()
	file, err := lockGuardFile(ctx, r.clock, path)
	if errors.Is(err, errFileGone) {
		return r.gone(path)
	}
	if err != nil {
		return declined("%s cannot be opened: %v", path, err)
	}
	defer file.Close()
	snapshot, err := r.read(ctx, file)
	if err != nil {
		return err
	}
	if down, err := r.system.GoingDown(ctx); err == nil && down {
		return declined("the system is going down, and %s stays as it is", snapshot.Bridge.Name)
	}
	if err := r.carryOut(ctx, path, snapshot); err != nil {
		return err
	}
	return os.Rename(path, path+doneSuffix)
}

// gone is for a file that is not there.
func (r *restorer) gone(path string) error {
	if !exists(path + doneSuffix) {
		return declined("there is no %s: its guard was disarmed, or the name is wrong", path)
	}
	r.say("nothing to do: " + path + " was restored before")
	return nil
}

// read takes a snapshot of this boot from a file.
func (r *restorer) read(ctx context.Context, file *os.File) (bridge.Snapshot, error) {
	var snapshot bridge.Snapshot
	text, err := readGuardFile(file)
	if err != nil {
		return snapshot, declined("%s is not trusted: %v", file.Name(), err)
	}
	if err := json.Unmarshal(text, &snapshot); err != nil {
		return snapshot, declined("%s is no snapshot of a bridge: %v", file.Name(), err)
	}
	boot, err := r.system.BootID(ctx)
	if err != nil {
		return snapshot, declined("whether %s is of this boot cannot be told: %v", file.Name(), err)
	}
	if boot != snapshot.BootID {
		return snapshot, declined("%s was taken in boot %s, and this is boot %s, which has set up its network itself", file.Name(), snapshot.BootID, boot)
	}
	return snapshot, nil
}

// check finds out whether restore could read a file and see its bridge.
func (r *restorer) check(ctx context.Context, path string) error {
	ctx, cancel := primitives.WithTimeout(ctx, r.clock, restoreWait)
	defer cancel()
	file, err := openGuardFile(path)
	if err != nil {
		return declined("%s cannot be opened: %v", path, err)
	}
	defer file.Close()
	snapshot, err := r.read(ctx, file)
	if err != nil {
		return err
	}
	steps, err := r.bridge.Restoration(ctx, snapshot)
	if err != nil {
		return err
	}
	r.say(fmt.Sprintf("%s: %d steps would restore %s", path, len(steps), snapshot.Bridge.Name))
	return nil
}

// attempts is how often a restoration is tried, a pause apart: nobody comes
// after it.
const (
	attempts = 5
	pause    = 2 * time.Second
)

// carryOut restores, and keeps a journal of it beside the file.
func (r *restorer) carryOut(ctx context.Context, path string, snapshot bridge.Snapshot) error {
	record := r.open(path)
	defer record.close()
	object := "bridge " + snapshot.Bridge.Name
	record.append(luabind.Event{Kind: luabind.KindRequest, Op: opRestore, Object: object, Text: path})
	var err error
	for left := attempts; left > 0; left-- {
		if err = r.steps(ctx, record, object, snapshot); err == nil {
			break
		}
		if r.clock.Sleep(ctx, pause) != nil {
			break
		}
	}
	record.append(luabind.Event{Kind: luabind.KindEnd, Op: opRestore, Object: object, Error: failureOf(err)})
	return err
}

// rounds is how often the steps are asked for anew: one may make others
// necessary. More rounds than the deepest routes need are a fault.
const rounds = 10

func (r *restorer) steps(ctx context.Context, record *record, object string, snapshot bridge.Snapshot) error {
	for range rounds {
		steps, err := r.bridge.Restoration(ctx, snapshot)
		if err != nil || len(steps) == 0 {
			return err
		}
		if err := r.apply(ctx, record, object, steps); err != nil {
			return err
		}
	}
	return primitives.Errorf(primitives.Internal, opRestore, snapshot.Bridge.Name, "after %d rounds there are still steps left: somebody else changes the bridge", rounds)
}

// apply does all steps that can be done: half a network is better than none.
func (r *restorer) apply(ctx context.Context, record *record, object string, steps []bridge.Step) error {
	var failures []error
	for _, step := range steps {
		record.append(luabind.Event{Kind: luabind.KindIntent, Op: opRestore, Object: object, Text: step.String()})
		err := r.bridge.Apply(ctx, step)
		record.append(luabind.Event{Kind: luabind.KindOutcome, Op: opRestore, Object: object, Text: step.String(), Error: failureOf(err)})
		if err != nil {
			failures = append(failures, err)
			continue
		}
		r.say(step.String())
	}
	return errors.Join(failures...)
}
