package policy

import (
	"slices"
	"testing"

	"ctys/luabind"
)

// A run that is stopped tells how each of its targets stands: the one that had
// ended, the one on the way, and the one that was not begun.
func TestStoppedRunTellsOfEachTarget(t *testing.T) {
	s := rack(t)
	s.site["limit"] = 1
	s.stopAt = "web1"
	if exit, err := s.form("pm", "cancel", "self,poweroff:0", "lab03", "lab01", "lab02"); err == nil {
		t.Fatalf("exit %d of a run that was stopped\n%s", exit, s.story())
	}
	var told []string
	for _, event := range s.events {
		if event.Kind == luabind.KindResult {
			kind := "reached"
			if event.Error != nil {
				kind = event.Error.Kind + ": " + event.Error.Message
			}
			told = append(told, event.Object+" "+event.State+" "+kind)
		}
	}
	want := []string{
		"lab03 off reached",
		"lab01 unknown canceled: stopped before its goal was seen",
		"lab02  canceled: not begun, nothing was changed",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q\n%s", told, want, s.story())
	}
}
