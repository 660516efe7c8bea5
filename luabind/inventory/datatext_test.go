package inventory

import "testing"

func TestDataText(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{nil, "nil"}, {true, "true"}, {1.5, "1.5"}, {"a\"\n", `"a\"\010"`},
		{[]any{"x", 2.0}, `{ "x", 2 }`},
		{map[string]any{"b": 1.0, "a-b": []any{}, "end": map[string]any{"c": false}}, `{ ["a-b"] = {  }, b = 1, ["end"] = { c = false } }`},
	} {
		if got, err := DataText(test.value); err != nil || got != test.want {
			t.Errorf("%v: %s, %v, want %s", test.value, got, err, test.want)
		}
	}
	if text, err := DataText(map[string]any{"a": struct{}{}}); err == nil {
		t.Errorf("what is no data is written as %s", text)
	}
}
