// Package journal is what a run leaves behind: one file of JSON lines with
// everything it was asked, meant to do, did and saw, beside copies of the
// request and the scripts, in a folder that belongs to this run alone; and the
// lease that tells other runs that a machine is taken.
//
// One goroutine writes. Append puts an entry in memory and returns; Sync waits
// until it is on disk. A run calls Sync before it does what cannot be undone,
// so that what happened is never unknown to the run that resumes it.
package journal

import (
	"fmt"
	"time"
)

// Kind says what an entry is about.
type Kind string

// The kinds.
const (
	Request   Kind = "request"    // what was asked, once, first
	Intent    Kind = "intent"     // a write is about to be done; synced before it is
	Outcome   Kind = "outcome"    // how the write with the same Key ended
	Keep      Kind = "keep"       // what was seen and cannot be observed later
	StepBegin Kind = "step-begin" // the user sees a step begin
	StepEnd   Kind = "step-end"
	Note      Kind = "note"
	Warning   Kind = "warning"
	Detail    Kind = "detail"   // for who looks closer: what an operation got that made no sense
	Announce  Kind = "announce" // the users of a machine were told
	Receipt   Kind = "receipt"  // the caller is asked to confirm everything up to here
	Plan      Kind = "plan"     // a write that a plan would do
	Wait      Kind = "wait"     // a wait, deadline or alternative that a plan lists
	Progress  Kind = "progress" // how far a step is
	Output    Kind = "output"   // what a script printed
	Result    Kind = "result"   // how one target ended
	End       Kind = "end"      // the run is over
)

var kinds = map[Kind]bool{
	Request: true, Intent: true, Outcome: true, Keep: true, StepBegin: true, StepEnd: true,
	Note: true, Warning: true, Detail: true, Announce: true, Receipt: true, Result: true, End: true,
	Plan: true, Wait: true, Progress: true, Output: true,
}

// Entry is one event of a run, and one line of its journal. It is the one type
// that everything reads: the journal, the live tree on a terminal, the lines in
// a pipe, and the desk that follows an agent. Seq and Kind are always there,
// the rest as the kind needs.
type Entry struct {
	Seq  uint64    `json:"seq"` // 1 for the first entry; Append sets it
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`

	Job  string `json:"job,omitempty"`  // Append sets it where it is empty
	Host string `json:"host,omitempty"` // machine on which it happened, as the desk calls it
	Task string `json:"task,omitempty"` // path of task numbers: "1.4.2"
	Step uint64 `json:"step,omitempty"` // Seq of the step-begin that it belongs to

	Text    string  `json:"text,omitempty"`
	Op      string  `json:"op,omitempty"`      // the verb: "stack.shutdown"
	Object  string  `json:"object,omitempty"`  // what it acts on
	Effect  string  `json:"effect,omitempty"`  // "read", "write" or "write once"
	Key     string  `json:"key,omitempty"`     // of an intent, outcome or keep: see Key
	Witness string  `json:"witness,omitempty"` // of an intent: what changes when it happens
	Durable bool    `json:"durable,omitempty"` // of an intent: on disk before it is carried out, since it takes power away
	State   string  `json:"state,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // a deadline, delay or duration

	Data  map[string]any `json:"data,omitempty"` // what this kind of entry holds besides
	Error *Failure       `json:"error,omitempty"`
}

// What the data of an entry of kind Receipt is: see ReceiptData.
const (
	receiptReport = "report"
	receiptKeep   = "keep"
)

// ReceiptData is the data of an entry of kind Receipt: report stands for the
// result of a machine that is gone before it has one, and keep is what the caller
// has on disk before it confirms. Either may be nil.
func ReceiptData(report, keep map[string]any) map[string]any {
	data := map[string]any{}
	if report != nil {
		data[receiptReport] = report
	}
	if keep != nil {
		data[receiptKeep] = keep
	}
	return data
}

// Receipt reads ReceiptData, which may come from a machine that is not trusted.
func (e Entry) Receipt() (report, keep map[string]any) {
	report, _ = e.Data[receiptReport].(map[string]any)
	keep, _ = e.Data[receiptKeep].(map[string]any)
	return report, keep
}

// Failure is an error as an entry carries it.
type Failure struct {
	Kind    string `json:"kind"`
	Op      string `json:"op,omitempty"`
	Host    string `json:"host,omitempty"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"` // while the error travels; then an entry of its own
	// Exit is the exit code that the error asks for; 0 leaves it to its kind.
	Exit int `json:"exit,omitempty"`
}

// Key names one write so that a run that is repeated finds it again: siblings
// interleave, so a position in the file would not do. Occurrence is 1 for the
// first time that this verb acts on this object, 2 for the next.
func Key(verb, object string, occurrence int) string {
	return fmt.Sprintf("%s %d %s", verb, occurrence, object)
}
