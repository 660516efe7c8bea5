package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind/journal"
)

const jobsUsage = "usage: ctys jobs [--all]\n  the runs that have left a journal here, the newest last: twenty, or all; --json for programs\n"

// fewJobs are shown where not all are asked for.
const fewJobs = 20

// jobs lists the runs that have left a journal.
func (a *app) jobs(options form.Options, argv []string) int {
	own, words, err := form.General(argv, none)
	if err != nil {
		return a.refuse(err)
	}
	options = options.Merge(own)
	all := len(words) == 1 && words[0] == "--all"
	switch {
	case options.Help:
		return a.usageOf(true, jobsUsage)
	case len(words) > 0 && !all:
		return a.usageOf(false, jobsUsage)
	}
	dir, err := readableJournals(options.Journal)
	if err != nil {
		return a.failed(err)
	}
	list, err := journal.Jobs(dir)
	if err != nil {
		return a.failed(err)
	}
	if !all {
		list = list[max(0, len(list)-fewJobs):]
	}
	for _, job := range list {
		a.tellJob(readKept(dir, job), options.JSON)
	}
	return exitReached
}

func (a *app) tellJob(run kept, asJSON bool) {
	if asJSON {
		text, _ := json.Marshal(run)
		fmt.Fprintf(a.stdout, "%s\n", text)
		return
	}
	fmt.Fprintf(a.stdout, "%s  %-9s  %s\n", run.Job, run.ending(), oneLine(run.Request))
}

// readableJournals is the folder of journals; one that cannot be written may
// still be read.
func readableJournals(explicit string) (string, error) {
	dir, err := journalDir(explicit)
	if dir != "" {
		return dir, nil
	}
	return "", err
}

// findJob gives the run that a word means: its id, the beginning of one, or
// nothing for the newest.
func findJob(dir, word string) (string, error) {
	all, err := journal.Jobs(dir)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", &form.Error{Option: dir, Message: "there is no journal of any run here"}
	}
	if word == "" {
		return all[len(all)-1], nil
	}
	var found []string
	for _, job := range all {
		if strings.HasPrefix(job, word) {
			found = append(found, job)
		}
	}
	switch len(found) {
	case 0:
		return "", &form.Error{Option: word, Message: "there is no such run here; ctys jobs lists them"}
	case 1:
		return found[0], nil
	}
	return "", &form.Error{Option: word, Message: fmt.Sprintf("%d runs begin so, %s the first and %s the last; type more of it", len(found), found[0], found[len(found)-1])}
}
