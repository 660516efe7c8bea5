package policytest

import (
	"fmt"
	"strings"
	"time"

	"ctys/luabind"
)

// telling collects what a run tells of itself.
type telling struct {
	world *world
	begun time.Time
	text  strings.Builder
	ran   ran
}

// take is luabind.Options.Events.
func (t *telling) take(event luabind.Event) {
	switch event.Kind {
	case luabind.KindIntent:
		t.ran.Writes = append(t.ran.Writes, t.world.named(event.Op+" "+event.Object))
	case luabind.KindPlan:
		t.ran.Plan = append(t.ran.Plan, t.world.named(event.Op+" "+event.Object))
	}
	words := []string{fmt.Sprintf("[%7.1fs]", event.At.Sub(t.begun).Seconds()), string(event.Kind)}
	for _, word := range []string{event.Host, event.Text, event.Op, t.world.named(event.Object), event.State} {
		if word != "" {
			words = append(words, word)
		}
	}
	if event.Error != nil {
		words = append(words, event.Error.Kind+": "+event.Error.Message)
	}
	t.text.WriteString(strings.Join(words, " ") + "\n")
}

// Write is what the script printed.
func (t *telling) Write(text []byte) (int, error) { return t.text.Write(text) }

func (t *telling) end(result any, err error) *ran {
	if err != nil {
		t.ran.Error = err.Error()
		t.text.WriteString(t.ran.Error + "\n")
	}
	fields, _ := result.(map[string]any)
	exit, _ := fields["exit"].(float64)
	if t.ran.Exit = int(exit); err != nil {
		t.ran.Exit = luabind.ExitCode(err)
	}
	t.ran.Text = t.text.String()
	t.ran.Seconds = t.world.sim.Clock().Now().Sub(t.begun).Seconds()
	return &t.ran
}

// named puts the names of guests where their hypervisor's identity stands.
func (w *world) named(object string) string {
	words := strings.Fields(object)
	for i, word := range words {
		name, known := w.names[word]
		if !known {
			continue
		}
		words[i] = name
		if i > 0 && strings.Contains(words[i-1], "://") {
			words[i-1] = ""
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}
