package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"ctys/primitives"
)

const leaseOp = "lease.acquire"

// Holder says who has a machine: what stands in its lease.
type Holder struct {
	Job     string    `json:"job"`
	Machine string    `json:"machine"`
	Account string    `json:"account"`
	UID     int       `json:"uid"`
	Since   time.Time `json:"since"`
	PID     int       `json:"pid"`
	Start   string    `json:"start"`   // when the process began, in clock ticks after boot (proc(5), stat, field 22)
	BootID  string    `json:"boot_id"` // of the machine that it runs on
}

// Lease is a machine that this run has for itself until Close.
type Lease struct {
	Holder Holder

	once sync.Once
	file *os.File
	err  error
}

// Acquire takes the lease of a machine in dir (see LeaseDir) for a run. It does
// not wait: a machine that another run has is primitives.Busy, with that run's
// id, process, account and since when. A lease whose process is gone, or that
// was written before the last boot, is taken over.
//
// The kernel's lock on the file (flock(2)) decides, and goes with the process
// however it ends. The file is never removed, so that nobody locks a file that
// another no longer finds. What stands in it tells people who has the machine,
// and counts beside the lock.
func Acquire(ctx context.Context, clock primitives.Clock, dir, machine, job string) (*Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, primitives.Wrap(leaseOp, machine, "the lease was not taken", err)
	}
	if machine == "" || !ValidID(job) {
		return nil, primitives.Errorf(primitives.Invalid, leaseOp, machine, "a lease needs a machine and the id of a run (as %s), and has %q", exampleID, job)
	}
	self, err := thisProcess()
	if err != nil {
		return nil, primitives.Wrap(leaseOp, machine, "the system does not tell what a lease needs", err)
	}
	self.Job, self.Machine, self.Since = job, machine, clock.Now()
	file, err := openLease(dir, machine)
	if err != nil {
		return nil, err
	}
	if err := claim(file, self); err != nil {
		file.Close()
		return nil, err
	}
	return &Lease{Holder: self, file: file}, nil
}

// claim locks the file and writes self into it.
func claim(file *os.File, self Holder) error {
	locked, err := tryLock(file)
	if err != nil {
		return primitives.Wrap(leaseOp, self.Machine, "the lease cannot be locked", err)
	}
	holder, known := readHolder(file)
	if !locked {
		return busy(self.Machine, holder, known)
	}
	if known && holder.PID != self.PID && holder.alive(self.BootID) {
		return busy(self.Machine, holder, known)
	}
	if err := writeHolder(file, self); err != nil {
		return primitives.Wrap(leaseOp, self.Machine, "the lease cannot be written", err)
	}
	return nil
}

func busy(machine string, holder Holder, known bool) error {
	if !known {
		return primitives.Errorf(primitives.Busy, leaseOp, machine, "another run has this machine and is just beginning; try again")
	}
	return primitives.Errorf(primitives.Busy, leaseOp, machine, "run %s has this machine (process %d of %s, since %s); wait for its end",
		holder.Job, holder.PID, holder.Account, holder.Since.Local().Format(time.DateTime))
}

// Close gives the machine free. Only the first call does anything.
func (l *Lease) Close() error {
	l.once.Do(func() {
		l.err = l.file.Truncate(0)
		if err := l.file.Close(); l.err == nil {
			l.err = err
		}
		l.err = primitives.Wrap("lease.close", l.Holder.Machine, "the lease was not given back cleanly", l.err)
	})
	return l.err
}

// Held tells which run has a machine now, if one has.
func Held(dir, machine string) (Holder, bool, error) {
	file, err := os.Open(leasePath(dir, machine))
	if os.IsNotExist(err) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, primitives.Wrap("lease.held", machine, "the lease cannot be opened", err)
	}
	defer file.Close()
	free, err := trySharedLock(file)
	if err != nil {
		return Holder{}, false, primitives.Wrap("lease.held", machine, "the lease's lock cannot be asked", err)
	}
	holder, _ := readHolder(file)
	return holder, !free, nil
}

// maxHolder bounds what is read of a file that anybody may write.
const maxHolder = 4096

// readHolder gives what stands in the file; false where that is nothing, as
// between two runs, or not ours.
func readHolder(file *os.File) (Holder, bool) {
	text := make([]byte, maxHolder)
	n, err := file.ReadAt(text, 0)
	if err != nil && err != io.EOF {
		return Holder{}, false
	}
	var holder Holder
	if json.Unmarshal(text[:n], &holder) != nil || !ValidID(holder.Job) || holder.PID <= 0 {
		return Holder{}, false
	}
	holder.Account = strconv.Itoa(holder.UID)
	if account, err := user.LookupId(holder.Account); err == nil {
		holder.Account = account.Username
	}
	return holder, true
}

func writeHolder(file *os.File, holder Holder) error {
	text, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	if len(text) > maxHolder {
		return fmt.Errorf("it has %d bytes; at most %d are taken", len(text), maxHolder)
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(text, 0)
	return err
}
