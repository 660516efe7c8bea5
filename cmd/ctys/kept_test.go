package main

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ctys/luabind"
	"ctys/luabind/journal"
)

func TestOpenIntents(t *testing.T) {
	var begun openIntents
	for i, entry := range []luabind.Event{
		{Kind: luabind.KindIntent, Key: "a", Op: "a"}, {Kind: luabind.KindIntent, Key: "b", Op: "b"}, {Kind: luabind.KindOutcome, Key: "a"},
		{Kind: luabind.KindIntent, Key: "c", Op: "c"}, {Kind: luabind.KindOutcome, Key: "c"}, {Kind: luabind.KindIntent, Key: "c", Op: "c"},
		{Kind: luabind.KindOutcome, Key: "b", Host: "lab01"}, // another machine's
	} {
		entry.Seq = uint64(i + 1)
		begun.told(entry)
	}
	if got := begun.names(); !slices.Equal(got, []string{"b", "c"}) {
		t.Error(got)
	}
}

// unreadable is a folder in which one script cannot be read.
type unreadable struct{ fstest.MapFS }

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == "z.lua" {
		return nil, fs.ErrPermission
	}
	return u.MapFS.ReadFile(name)
}

// A run that was cut short while its scripts were put away is not resumed with
// those that there are.
func TestARunWithHalfOfItsScriptsIsNotResumed(t *testing.T) {
	dir := t.TempDir()
	s := &session{app: &app{argv: []string{"careful"}}}
	s.setup.path = []fs.FS{unreadable{fstest.MapFS{"a.lua": {}, "z.lua": {}}}}
	file, err := journal.Create(dir, "20260731-142530-042-9f3a61c2", clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.describe(file); err == nil {
		t.Fatal("it was put away whole")
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := mayResume(dir, file.Job()); err == nil || !strings.Contains(err.Error(), "cut short before it had begun") {
		t.Errorf("%v", err)
	}
}
