package luabind

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ctys/primitives/shutdown"
)

// elsewhere is another machine that tells what it is about to do.
type elsewhere struct{ story func(tell func(Event)) }

func (e elsewhere) Run(_ context.Context, _ Order, events func(Event)) (any, error) {
	e.story(events)
	return nil, nil
}

func (elsewhere) ShutDown(context.Context, Machine, shutdown.Request) error { return nil }
func (elsewhere) Carry(context.Context, []string) (map[string]bool, error)  { return nil, nil }
func (elsewhere) Login(context.Context, Machine) error                      { return nil }
func (elsewhere) Console(context.Context, Machine) (int, error)             { return 0, nil }

func tellFromElsewhere(t *testing.T, journal *recorder, story func(tell func(Event))) (events []Event) {
	t.Helper()
	host := New(Capabilities{Relocate: elsewhere{story}}, Options{
		Journal: journal,
		Events:  func(event Event) { events = append(events, event) },
	})
	if _, err := host.Run(context.Background(), Script{Name: "x.lua", Source: `action.at("lab01", "x", {})`}); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestAReceiptIsGivenForWhatIsOnDiskHere(t *testing.T) {
	journal := &recorder{}
	tellFromElsewhere(t, journal, func(tell func(Event)) {
		tell(Event{Seq: 7, Kind: KindIntent, Host: "lab01", Op: "stack.shutdown", Durable: true})
		if journal.synced != 0 {
			t.Error("the desk waits for its disk although the other machine has its own")
		}
		tell(Event{Seq: 8, Kind: KindReceipt, Host: "lab01"})
		if journal.synced != uint64(len(journal.entries)) || journal.synced != 2 {
			t.Errorf("%d of %d entries are on disk when the receipt goes", journal.synced, len(journal.entries))
		}
	})
	if !journal.entries[0].Durable {
		t.Error("the copy does not say that its write takes power away")
	}
}

func TestAReceiptWithoutADiskIsTold(t *testing.T) {
	events := tellFromElsewhere(t, &recorder{fail: errors.New("disk full")}, func(tell func(Event)) {
		tell(Event{Seq: 1, Kind: KindReceipt, Host: "lab01"})
	})
	last := events[len(events)-1]
	if last.Kind != KindWarning || !strings.Contains(last.Text, "not on disk here") || !strings.Contains(last.Text, "disk full") {
		t.Errorf("%+v", last)
	}
}
