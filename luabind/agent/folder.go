package agent

import (
	"context"
	"encoding/json"
	"path/filepath"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
)

// What a job's folder holds beside the journal.
const (
	orderFile  = "order.json"
	resultFile = "result.json"
	socketFile = "attach.sock"
	wordsFile  = "stderr" // what the job's process said, such as a panic
)

// createJob puts an order on disk: nothing of it is secret, since what the
// inventory has of secrets was replaced by names at the desk.
func createJob(dir string, clock primitives.Clock, order luabind.Order) (id string, err error) {
	id, err = journal.NewID(clock.Now(), nil)
	if err != nil {
		return "", primitives.Wrap("agent.start", "", "no random number for the job's name", err)
	}
	kept, err := journal.Create(dir, id, clock)
	if err != nil {
		return "", err
	}
	if err := storeOrder(kept, order); err != nil {
		kept.Close()
		return "", err
	}
	return id, kept.Close()
}

func storeOrder(kept *journal.Journal, order luabind.Order) error {
	text, err := json.Marshal(order)
	if err != nil {
		return primitives.Wrap("agent.start", "", "the order cannot be written down", err)
	}
	if err := kept.StoreFile(orderFile, text); err != nil {
		return err
	}
	for name, script := range order.Modules {
		if err := kept.StoreFile(filepath.Join("scripts", name), []byte(script)); err != nil {
			return err
		}
	}
	_, err = kept.Append(journal.Entry{Kind: journal.Request, Host: order.Machine.Name, Text: order.Script + "." + order.Function,
		Data: map[string]any{"request": order.Request}})
	return err
}

// openJob takes a job's folder over from the process that has made it.
func openJob(host Host, dir, id string) (*job, error) {
	text, err := journal.Stored(dir, id, orderFile)
	if err != nil {
		return nil, err
	}
	var order luabind.Order
	if err := json.Unmarshal(text, &order); err != nil {
		return nil, primitives.Wrap("agent.run", "", "the order of job "+id+" cannot be read", err)
	}
	kept, log, err := journal.Reopen(dir, id, host.Clock)
	if err != nil {
		return nil, err
	}
	j := newJob(host, order)
	j.id, j.journal = id, kept
	j.remember(log.Entries)
	if err := kept.DropFile(resultFile); err != nil { // of an earlier process: this one has none yet
		kept.Close()
		return nil, err
	}
	if order.NoJournal != "" {
		j.refusal = primitives.Errorf(primitives.Denied, "agent.run", order.Machine.Name, "what takes power away is only done with a journal here and at the desk: %s", order.NoJournal)
	}
	return j, nil
}

// remember takes what an earlier process of this job has written: desks hear it
// again, and what must not be done twice is found in it. The first entry is the
// request, which the job's folder begins with.
func (j *job) remember(entries []luabind.Event) {
	if len(entries) < 2 {
		return
	}
	for _, entry := range entries {
		j.log.add(entry)
	}
	j.earlier = journal.NewHistory(entries, j.order.Machine.Name)
}

// keepOutcome puts how the job ended on disk: its last word.
func (j *job) keepOutcome() error {
	if j.journal == nil {
		return nil
	}
	text, err := json.Marshal(j.outcome)
	if err == nil && len(text) >= maxLine/2 {
		err = errTooLong
	}
	if err != nil {
		j.outcome = outcome{Error: failureOf(primitives.Wrap("agent.run", j.order.Machine.Name, "what the script returned cannot be passed on", err))}
		text, _ = json.Marshal(j.outcome)
	}
	if err := j.journal.StoreFile(resultFile, text); err != nil {
		return err
	}
	number, err := j.journal.Append(journal.Entry{Kind: journal.End, Host: j.order.Machine.Name, Error: j.outcome.Error})
	if err != nil {
		return err
	}
	return j.journal.Sync(context.Background(), number)
}

// storedOutcome is how a job ended whose process is gone. One that has left no
// outcome was cut short with its machine.
func storedOutcome(dir, id string) outcome {
	text, err := journal.Stored(dir, id, resultFile)
	var kept outcome
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return outcome{Vanished: true, Error: failureOf(primitives.Errorf(primitives.Unreachable, "agent.attach", "",
			"job %s was cut short: its process is gone and has left no result (its journal is on that machine: %s)", id, filepath.Join(dir, id, journal.FileName)))}
	}
	return kept
}
