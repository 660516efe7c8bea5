package luabind

import (
	"ctys/luabind/journal"
	"ctys/primitives"
)

// Receipt is what an event of KindReceipt asks the caller to confirm beside
// having heard everything up to it.
type Receipt struct {
	// Report stands for the result where the machine is gone before there is one.
	Report map[string]any
	// Keep is what the caller puts on disk before it confirms; nil: nothing.
	Keep map[string]any
}

func (r Receipt) data() map[string]any {
	data := map[string]any{}
	if r.Report != nil {
		data["report"] = r.Report
	}
	if r.Keep != nil {
		data["keep"] = r.Keep
	}
	return data
}

// ReceiptOf reads an event of KindReceipt, which may come from a machine that is
// not trusted.
func ReceiptOf(event Event) Receipt {
	report, _ := event.Data["report"].(map[string]any)
	keep, _ := event.Data["keep"].(map[string]any)
	return Receipt{Report: report, Keep: keep}
}

// KeepFor puts on disk what a machine asks its caller to keep, under the name
// that the caller has for it. Where it cannot be kept nothing is to be
// confirmed; the error is for the operator, since a machine that is off has
// nothing else to be found by.
func (r Receipt) KeepFor(machine string, machines *journal.Machines) error {
	if r.Keep == nil {
		return nil
	}
	err := errNoMachines
	if machines != nil {
		err = machines.Keep(machine, r.Keep)
	}
	return primitives.Wrap("journal.receipt", machine, "what a later run needs to know of "+machine+" is not kept", err)
}

var errNoMachines error = primitives.Errorf(primitives.Denied, "machines.keep", "", "there is no place to keep machines in: set HOME or XDG_STATE_HOME")
