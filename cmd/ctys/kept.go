package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ctys/luabind"
	"ctys/luabind/journal"
)

// kept is a run as its folder tells of it.
type kept struct {
	Job     string    `json:"job"`
	Folder  string    `json:"folder"`
	Began   time.Time `json:"began,omitzero"`
	Last    time.Time `json:"last,omitzero"` // of its last entry
	Who     string    `json:"who,omitempty"`
	Request string    `json:"request,omitempty"`
	State   string    `json:"state"`             // "running", "ended" or "cut short"
	Exit    *int      `json:"exit,omitempty"`    // of one that has ended
	Unknown []string  `json:"unknown,omitempty"` // of one that was cut short: what was begun, and nobody knows whether it happened
	Problem string    `json:"problem,omitempty"` // why its folder cannot be read
}

// The states of a run.
const (
	runRunning  = "running"
	runEnded    = "ended"
	runCutShort = "cut short"
)

// readKept reads a run's folder. What cannot be read is told, and the rest of it
// is there all the same.
func readKept(dir, job string) kept {
	run := kept{Job: job, Folder: filepath.Join(dir, job), State: runCutShort}
	run.asked(dir)
	// asked before the journal is read: one that ends meanwhile is still "running"
	running, err := journal.Running(dir, job)
	if err != nil {
		run.Problem = err.Error()
		return run
	}
	var begun openIntents
	err = journal.Scan(filepath.Join(run.Folder, journal.FileName), func(entry luabind.Event) {
		run.told(entry)
		begun.told(entry)
	})
	if err != nil {
		run.Problem = err.Error()
	}
	switch {
	case run.State == runEnded:
	case running:
		run.State = runRunning
	default:
		run.Unknown = begun.names()
	}
	return run
}

// asked reads who asked for what: a desk keeps a request, an agent its order.
func (k *kept) asked(dir string) {
	var request struct {
		Argv  []string  `json:"argv"`
		Who   string    `json:"who"`
		Began time.Time `json:"began"`
	}
	if text, err := journal.Stored(dir, k.Job, "request.json"); err == nil && json.Unmarshal(text, &request) == nil {
		k.Who, k.Began, k.Request = request.Who, request.Began, commandLine(request.Argv)
	}
}

func (k *kept) told(entry luabind.Event) {
	if entry.Seq == 1 && k.Began.IsZero() {
		k.Began = entry.At
	}
	k.Last = entry.At
	if entry.Kind == luabind.KindRequest && k.Request == "" {
		k.Request = "an order for " + entry.Host + ": " + entry.Text
	}
	if k.State, k.Exit = runCutShort, nil; entry.Kind == luabind.KindEnd {
		k.State, k.Exit = runEnded, exitCode(entry)
	}
}

// openIntents is what was begun on any machine, with no word of how it ended.
type openIntents struct {
	open map[string]luabind.Event // by machine and key
}

func (o *openIntents) told(entry luabind.Event) {
	key := entry.Host + " " + entry.Key
	switch entry.Kind {
	case luabind.KindIntent:
		if o.open == nil {
			o.open = map[string]luabind.Event{}
		}
		o.open[key] = entry
	case luabind.KindOutcome:
		delete(o.open, key)
	}
}

// names are in the order of the journal.
func (o *openIntents) names() (names []string) {
	for _, intent := range slices.SortedFunc(maps.Values(o.open), func(a, b luabind.Event) int { return cmp.Compare(a.Seq, b.Seq) }) {
		names = append(names, strings.TrimSpace(intent.Op+" "+intent.Object))
	}
	return names
}

// exitCode is how a run ended: a desk's by its code, an agent's by its error.
func exitCode(end luabind.Event) *int {
	code := exitReached
	if number, ok := end.Data["exit"].(float64); ok {
		code = int(number)
	} else if end.Error != nil {
		code = exitFailed
	}
	return &code
}

// ending says how a run ended, or that it goes on.
func (k kept) ending() string {
	switch {
	case k.Problem != "":
		return "unreadable: " + oneLine(k.Problem)
	case k.Exit != nil:
		return fmt.Sprintf("exit %d", *k.Exit)
	case len(k.Unknown) > 0:
		return "cut short, unknown: " + strings.Join(k.Unknown, ", ")
	}
	return k.State
}
