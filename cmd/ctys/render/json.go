package render

import (
	"encoding/json"
	"time"

	"ctys/luabind"
)

// resultObject is one target's end as programs read it.
type resultObject struct {
	Target string         `json:"target"`
	Op     string         `json:"op,omitempty"`
	State  string         `json:"state,omitempty"`
	SeenBy string         `json:"seen_by,omitempty"`
	At     time.Time      `json:"at"`
	Text   string         `json:"text,omitempty"`
	Data   map[string]any `json:"data,omitempty"`
	Error  *errorObject   `json:"error,omitempty"`
}

type errorObject struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// planObject is one write, wait or alternative of a plan.
type planObject struct {
	Plan    string         `json:"plan"` // "write", "wait", "otherwise"
	Host    string         `json:"host,omitempty"`
	Step    string         `json:"step,omitempty"`
	Op      string         `json:"op,omitempty"`
	Object  string         `json:"object,omitempty"`
	Effect  string         `json:"effect,omitempty"`
	Text    string         `json:"text,omitempty"`
	Seconds float64        `json:"seconds,omitempty"`
	Data    map[string]any `json:"data,omitempty"`
}

// json writes the object of an event, one a line.
func (r *Reader) json(event luabind.Event) {
	switch event.Kind {
	case luabind.KindResult:
		r.object(resultOf(event))
	case luabind.KindPlan, luabind.KindWait:
		r.object(planOf(event, r.tree.step(event).text))
	default:
		if r.options.Verbose {
			r.object(event)
		}
	}
}

func (r *Reader) object(value any) {
	r.above(func() {
		encoder := json.NewEncoder(r.options.Out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(value)
	})
}

func resultOf(event luabind.Event) resultObject {
	object := resultObject{Target: event.Object, Op: event.Op, State: event.State, At: event.At.UTC(), Text: event.Text}
	for key, value := range event.Data {
		if key == "seen_by" {
			object.SeenBy, _ = value.(string)
			continue
		}
		if object.Data == nil {
			object.Data = map[string]any{}
		}
		object.Data[key] = value
	}
	if event.Error != nil {
		object.Error = &errorObject{Kind: event.Error.Kind, Message: event.Error.Message}
	}
	return object
}

func planOf(event luabind.Event, step string) planObject {
	object := planObject{
		Plan: "write", Host: event.Host, Step: step, Op: event.Op, Object: event.Object,
		Effect: event.Effect, Text: event.Text, Seconds: event.Seconds, Data: event.Data,
	}
	if event.Kind == luabind.KindWait {
		object.Plan = "wait"
		if event.Text != "" {
			object.Plan = "otherwise"
		}
	}
	return object
}
