package luabind

import (
	"ctys/luabind/journal"
	"ctys/primitives"
)

// KeepFor puts on disk what the machine of an event of KindReceipt asks its
// caller to keep, under the name that the caller has for it. Where it cannot be
// kept nothing is to be confirmed; the error is for the operator, since a machine
// that is off has nothing else to be found by.
func KeepFor(machine string, event Event, machines *journal.Machines) error {
	_, record := event.Receipt()
	if record == nil {
		return nil
	}
	err := errNoMachines
	if machines != nil {
		err = machines.Keep(machine, record)
	}
	return primitives.Wrap("journal.receipt", machine, "what a later run needs to know of "+machine+" is not kept", err)
}

var errNoMachines error = primitives.Errorf(primitives.Denied, "machines.keep", "", "there is no place to keep machines in: set HOME or XDG_STATE_HOME")
