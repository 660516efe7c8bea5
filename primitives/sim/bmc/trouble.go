package bmc

import (
	"maps"

	"ctys/primitives/ipmi"
)

// trouble is what a BMC is made to do wrong.
type trouble struct {
	silent  bool
	busy    int     // so many commands are answered with "node busy"
	mute    int     // so many chassis controls are carried out and not answered
	in, out float64 // share of datagrams that are lost on the way to it, and from it
	slots   int     // instead of those of its model; 0 is none
}

// Silent lets the BMC answer nothing at all, or takes that back.
func (b *BMC) Silent(silent bool) { b.misbehave(func(t *trouble) { t.silent = silent }) }

// Busy lets it answer the next n commands with "node busy" (C0h) and not carry
// them out. Commands of sessions and of the BMC itself are not among them.
func (b *BMC) Busy(n int) { b.misbehave(func(t *trouble) { t.busy = n }) }

// Mute lets it carry out the next n chassis controls without an answer.
func (b *BMC) Mute(n int) { b.misbehave(func(t *trouble) { t.mute = n }) }

// Lose sets the shares, from 0 to 1, of the datagrams that get lost on the way to
// the BMC and on the way back.
func (b *BMC) Lose(in, out float64) { b.misbehave(func(t *trouble) { t.in, t.out = in, out }) }

// Slots sets how many sessions it holds; 0 is what its model says.
func (b *BMC) Slots(n int) { b.misbehave(func(t *trouble) { t.slots = n }) }

// Mend takes back all that Silent, Busy, Mute, Lose, Slots and SetFaults did.
func (b *BMC) Mend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != nil {
		b.state.trouble, b.state.faults = trouble{}, ChassisFaults{}
	}
}

func (b *BMC) misbehave(change func(*trouble)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.own().trouble)
}

// busy takes one of the "node busy" answers. The caller holds mu.
func (b *BMC) busy() bool {
	if b.state == nil || b.state.trouble.busy <= 0 {
		return false
	}
	b.state.trouble.busy--
	return true
}

// lost tells whether a datagram goes astray; draw gives numbers from 0 to 1.
func (b *BMC) lost(inward bool, draw func() float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		return false
	}
	t := b.state.trouble
	share := t.out
	if inward {
		share = t.in
	}
	return t.silent || share > 0 && draw() < share
}

// Counts is what a BMC has seen.
type Counts struct {
	On       bool
	Controls map[ipmi.Control]int // carried out, also where that changed nothing
	Starts   int                  // boots of the machine
	Booted   ipmi.Device          // that the last boot took by the boot flags
	Open     int                  // sessions now
	Most     int                  // sessions at once, ever
	Refused  int                  // sessions for want of a slot
	Events   int                  // records in its event log
}

// Counts tells what the BMC has seen so far.
func (b *BMC) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := Counts{On: b.on}
	if b.state == nil {
		return counts
	}
	b.expireSessions()
	own := b.state
	counts.Controls = maps.Clone(own.counts)
	counts.Starts, counts.Booted = own.boot.starts, ipmi.Device(bootWords[own.boot.booted])
	counts.Open, counts.Most, counts.Refused = len(b.openSessions()), own.most, own.refused
	counts.Events = len(own.sel.records)
	return counts
}
