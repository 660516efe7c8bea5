package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
	"ctys/luabind/journal"
)

const resumeUsage = "usage: ctys resume [JOB]\n  carries a run on that was cut short, or has missed its goal: the same request and scripts from the\n  top, in the same journal; what was kept is remembered, what must not be done twice is not\n"

// asked is what a run was asked, as its folder keeps it.
type asked struct {
	Argv        []string          `json:"argv"`
	Who         string            `json:"who"`
	Version     string            `json:"version"`
	Directory   string            `json:"directory"`
	Environment map[string]string `json:"environment"`
	Request     struct {
		Targets []struct{ Name, User string } `json:"targets"`
	} `json:"request"`
}

// What a run's folder keeps beside the journal.
const (
	requestFile   = "request.json"
	scriptsFolder = "scripts" // those that were named, for people
	siteFolder    = "site"    // all of the site's, which a resumed run uses
	plainScript   = "script.lua"
)

// steering are the variables that decide what a command line means.
var steering = []string{"CTYS_INVENTORY", "CTYS_SITE", "CTYS_GROUPS_PATH", "CTYS_SSH_CONFIG", "XDG_CONFIG_HOME", "HOME"}

func environment() map[string]string {
	kept := map[string]string{}
	for _, name := range steering {
		if value, set := os.LookupEnv(name); set {
			kept[name] = value
		}
	}
	return kept
}

// resumption is an earlier run that this one carries on.
type resumption struct {
	file    *journal.Journal
	history *journal.History
	folder  string // of what it has kept beside the journal
	targets []string
}

// sameTargets refuses a resumed run that would mean other machines than the run
// that was begun: a group or range is resolved anew, and may have been changed.
func (r *resumption) sameTargets(targets []target) error {
	if r == nil {
		return nil
	}
	now := make([]string, len(targets))
	for i, t := range targets {
		now[i] = loginName(t.user, t.name)
	}
	slices.Sort(now)
	if slices.Equal(now, r.targets) {
		return nil
	}
	return &form.Error{Option: "resume", Message: fmt.Sprintf("the run was begun for %s, and its command line means %s now (a group was changed): make a new call",
		strings.Join(r.targets, ", "), strings.Join(now, ", "))}
}

func loginName(user, name string) string {
	if user == "" {
		return name
	}
	return user + "@" + name
}

func (r asked) targets() (names []string) {
	for _, t := range r.Request.Targets {
		names = append(names, loginName(t.User, t.Name))
	}
	slices.Sort(names)
	return names
}

// text is the script that a file had when the run was begun.
func (r *resumption) text(file string) (string, error) {
	for _, name := range []string{scriptName(file) + ".lua", plainScript} {
		if text, err := os.ReadFile(filepath.Join(r.folder, scriptsFolder, name)); err == nil {
			return string(text), nil
		}
	}
	return "", &form.Error{Option: file, Message: "the run has not kept this script: " + r.folder}
}

// resume carries an earlier run on.
func (a *app) resume(options form.Options, argv []string) int {
	_, dir, job, code := a.whichJob(options, argv, resumeUsage)
	if job == "" {
		return code
	}
	request, err := mayResume(dir, job)
	if err != nil {
		return a.failed(err)
	}
	if request.Version != version {
		a.warn(fmt.Sprintf("the run was begun by ctys %s, and is resumed by %s", request.Version, version))
	}
	if err := request.enter(); err != nil {
		return a.failed(err)
	}
	earlier, err := reopen(dir, job)
	if err != nil {
		return a.failed(err)
	}
	earlier.targets = request.targets()
	again := &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, argv: request.Argv, resumed: earlier}
	return again.do(request.Argv)
}

// mayResume reads what a run was asked, and refuses one that goes on, that has
// reached its goal, or that is not this desk's.
func mayResume(dir, job string) (asked, error) {
	run := readKept(dir, job)
	switch {
	case run.Problem != "":
		return asked{}, &form.Error{Option: job, Message: run.Problem}
	case run.State == runRunning:
		return asked{}, luabind.Errorf(luabind.Busy, "resume", "", "run %s goes on; ctys attach %s follows it", job, job)
	case run.Exit != nil && *run.Exit == exitReached:
		return asked{}, &form.Error{Option: job, Message: "the run has reached its goal; there is nothing to resume"}
	}
	var request asked
	text, err := journal.Stored(dir, job, requestFile)
	if err != nil {
		return asked{}, &form.Error{Option: job, Message: notAsked(run)}
	}
	if err := json.Unmarshal(text, &request); err != nil || len(request.Argv) == 0 {
		return asked{}, &form.Error{Option: job, Message: "what it was asked cannot be read: " + filepath.Join(run.Folder, "files", requestFile)}
	}
	return request, nil
}

// notAsked says why a run's folder has no request.
func notAsked(run kept) string {
	if run.Request == "" {
		return "it was cut short before it had begun, and nothing was done: call it again"
	}
	return "it is an order that a desk has given to this machine: resume the run there"
}

// enter goes where the request was made: its paths are relative to that folder.
func (r asked) enter() error {
	for _, name := range steering {
		value, set := r.Environment[name]
		if !set {
			os.Unsetenv(name)
		} else if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if r.Directory == "" {
		return nil
	}
	if err := os.Chdir(r.Directory); err != nil {
		return &form.Error{Option: r.Directory, Message: "the run was begun in this folder, which cannot be entered: " + err.Error()}
	}
	return nil
}

func reopen(dir, job string) (*resumption, error) {
	file, log, err := journal.Reopen(dir, job, clock)
	if err != nil {
		return nil, err
	}
	if _, err := file.Append(luabind.Event{Kind: luabind.KindNote, At: clock.Now(), Text: "resumed by " + account()}); err != nil {
		return nil, err
	}
	return &resumption{
		file: file, history: journal.NewHistory(log.Entries, ""), folder: filepath.Join(file.Folder(), "files"),
	}, nil
}

// path is where this run looks for scripts: one that is resumed uses those that
// it was begun with.
func (a *app) path() []fs.FS {
	if a.resumed == nil {
		return searchPath()
	}
	site := filepath.Join(a.resumed.folder, siteFolder)
	if _, err := os.Stat(site); err != nil {
		return nil // the site had none
	}
	return []fs.FS{os.DirFS(site)}
}

// describe keeps in the journal's folder what the run was asked, and its
// scripts as they were. The request comes last: what is cut short in between
// has no request, and is not resumed with half of its scripts.
func (s *session) describe(file *journal.Journal) error {
	directory, _ := os.Getwd()
	text, err := json.MarshalIndent(map[string]any{
		"argv": s.app.argv, "who": account(), "began": s.began, "version": version, "request": s.setup.request,
		"directory": directory, "environment": environment(),
	}, "", "  ")
	if err != nil {
		return err
	}
	for _, source := range s.setup.sources {
		if err := file.StoreFile(scriptsFolder+"/"+source.File, []byte(source.Text)); err != nil {
			return err
		}
	}
	if err := s.keepSite(file); err != nil {
		return err
	}
	return file.StoreFile(requestFile, append(text, '\n'))
}

func (s *session) keepSite(file *journal.Journal) error {
	site, _, err := luabind.SiteScripts(s.setup.path)
	if err != nil {
		return err
	}
	for name, text := range site {
		if err := file.StoreFile(strings.Join([]string{siteFolder, name}, "/"), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}
