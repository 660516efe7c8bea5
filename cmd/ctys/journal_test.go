package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/luabind/journal"
	"ctys/primitives"
)

func noDescription(*journal.Journal) error { return nil }

func intent(op, object string) luabind.Event {
	return luabind.Event{Kind: luabind.KindIntent, Op: op, Object: object}
}

func TestJournalIsMadeWhenItMustBeOnDisk(t *testing.T) {
	dir := t.TempDir()
	l := newLazyJournal(dir, noDescription, func(text string) { t.Errorf("warned: %s", text) })
	for range 3 {
		if _, err := l.Append(intent("wol.send", "mac")); err != nil {
			t.Fatal(err)
		}
	}
	if l.folder() != "" {
		t.Error("made before its time")
	}
	number, err := l.Append(luabind.Event{Kind: luabind.KindKeep, Key: "one"})
	if err != nil || number != 4 {
		t.Fatalf("%d, %v", number, err)
	}
	if err := l.Sync(context.Background(), number); err != nil {
		t.Fatal(err)
	}
	if number, err := l.Append(luabind.Event{Kind: luabind.KindNote, Text: "two"}); err != nil || number != 5 {
		t.Errorf("%d, %v", number, err)
	}
	folder := l.folder()
	l.finish(0)
	log, err := journal.Read(filepath.Join(folder, journal.FileName))
	if err != nil || len(log.Entries) != 6 || log.Entries[3].Kind != luabind.KindKeep || log.Entries[5].Kind != luabind.KindEnd {
		t.Errorf("%v, %v", log.Entries, err)
	}
}

// To read a whole data centre's state leaves nothing behind.
func TestReadsHaveNoJournal(t *testing.T) {
	l := newLazyJournal(t.TempDir(), noDescription, func(text string) { t.Errorf("warned: %s", text) })
	for range 100_000 {
		if _, err := l.Append(luabind.Event{Kind: luabind.KindResult, Object: "bmc1", State: "on"}); err != nil {
			t.Fatal(err)
		}
	}
	if l.finish(0); l.folder() != "" {
		t.Errorf("a journal of reads: %s", l.folder())
	}
}

func TestWhatAnotherMachineTakesDownIsKeptHere(t *testing.T) {
	l := newLazyJournal(t.TempDir(), noDescription, func(text string) { t.Errorf("warned: %s", text) })
	for _, event := range []luabind.Event{
		{Kind: luabind.KindIntent, Op: "wol.send", Host: "lab01"},
		{Kind: luabind.KindIntent, Op: "shutdown.apply", Object: "machine lab01", Host: "lab01", Durable: true},
	} {
		if l.folder() != "" {
			t.Error("made before its time")
		}
		if _, err := l.Append(event); err != nil {
			t.Fatal(err)
		}
	}
	folder := l.folder()
	if err := l.Sync(context.Background(), 2); err != nil || l.lease != nil {
		t.Errorf("%v, this machine's lease %v", err, l.lease)
	}
	l.finish(0)
	log, err := journal.Read(filepath.Join(folder, journal.FileName))
	if err != nil || len(log.Entries) != 3 || log.Entries[1].Host != "lab01" || !log.Entries[1].Durable {
		t.Errorf("%+v, %v", log.Entries, err)
	}
}

func TestNoJournal(t *testing.T) {
	warned := 0
	l := newLazyJournal("/proc/none/of/that", noDescription, func(string) { warned++ })
	number, err := l.Append(intent("wol.send", "mac"))
	if err != nil {
		t.Errorf("a magic packet is kept back: %v", err)
	}
	for range 2 {
		if err := l.Sync(context.Background(), number); primitives.KindOf(err) != primitives.Denied {
			t.Errorf("%v", err)
		}
	}
	if next, err := l.Append(intent("wol.send", "mac")); err != nil || next != number+1 {
		t.Errorf("%d, %v", next, err)
	}
	if warned != 1 {
		t.Errorf("%d warnings", warned)
	}
	l.finish(3)
}

func TestMuchIsNotHeldInMemory(t *testing.T) {
	l := newLazyJournal(t.TempDir(), noDescription, func(string) {})
	for i := range uint64(maxPending + 5) {
		if number, err := l.Append(intent("wol.send", "mac")); err != nil || number != i+1 {
			t.Fatalf("%d: %d, %v", i, number, err)
		}
	}
	if l.folder() == "" || len(l.pending) > 0 {
		t.Error("held in memory")
	}
	l.finish(0)
}

func TestRequestThatCannotBeKept(t *testing.T) {
	l := newLazyJournal(t.TempDir(), func(*journal.Journal) error { return errors.New("full") }, func(string) {})
	number, _ := l.Append(intent("stack.destroy", "qemu:///system 1"))
	if err := l.Sync(context.Background(), number); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("%v", err)
	}
}

func TestActsHere(t *testing.T) {
	for _, test := range []struct {
		op, object string
		want       bool
	}{
		{"shutdown.apply", "machine lab01", true},
		{"stack.shutdown", "qemu:///system 52540000-0000-0000-0000-000000000001", true},
		{"stack.shutdown", "xen:///system 1", true},
		{"stack.destroy", "qemu+ssh://lab01/system 1", false},
		{"ipmi.power_off", "bmc 10.0.0.7", false},
		{"wol.send", "mac 52:54:00:12:34:56", false},
	} {
		if got := actsHere(intent(test.op, test.object)); got != test.want {
			t.Errorf("%s %s: %v", test.op, test.object, got)
		}
	}
	if actsHere(luabind.Event{Kind: luabind.KindOutcome, Op: "shutdown.apply"}) {
		t.Error("an outcome")
	}
	if actsHere(luabind.Event{Kind: luabind.KindIntent, Op: "shutdown.apply", Object: "machine lab01", Host: "lab01"}) {
		t.Error("what another machine is about to do to itself")
	}
}

func TestMachineIsHeld(t *testing.T) {
	dir, _, err := journal.LeaseDir()
	if err != nil {
		t.Skip(err)
	}
	if holder, held, _ := journal.Held(dir, agent.ThisMachine); held {
		t.Skipf("run %s has this machine", holder.Job)
	}
	l := newLazyJournal(t.TempDir(), noDescription, func(string) {})
	number, _ := l.Append(intent("stack.shutdown", "qemu:///system 1"))
	if err := l.Sync(context.Background(), number); err != nil && primitives.KindOf(err) != primitives.Busy {
		t.Fatal(err)
	}
	if _, held, err := journal.Held(dir, agent.ThisMachine); err != nil || !held {
		t.Errorf("not held: %v", err)
	}
	l.finish(0)
}
