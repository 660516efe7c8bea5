package form

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestGeneral(t *testing.T) {
	own := func(option string) bool { return option == "-n" || option == "--plan" || option == "-p" }
	options, rest, err := General(strings.Fields("-i eth0 --json -vv --limit=3 -n --plan -p --deadline 1m x -- --yes"), own)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields("-i eth0 -n --plan -p x -- --yes"); !reflect.DeepEqual(rest, want) {
		t.Errorf("left %q, want %q", rest, want)
	}
	if !options.JSON || options.Verbose != 2 || options.Limit != 3 || options.Deadline != time.Minute || options.Plan || options.Yes {
		t.Errorf("%+v", options)
	}
	for line, message := range map[string]string{
		"--limit none": "the limit is", "--journal": "its value is missing", "--yes=1": "it takes no value", "-v --deadline 0": "the deadline is a time",
	} {
		if _, _, err := General(strings.Fields(line), own); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{"-x", "--nothing", "-", "--verbose", "-vx", ""} {
		if _, rest, err := General(strings.Fields(line), own); err != nil || !reflect.DeepEqual(append([]string{}, rest...), strings.Fields(line)) {
			t.Errorf("%s: %q, %v", line, rest, err)
		}
	}
}

func TestMerge(t *testing.T) {
	first, _, _ := General([]string{"--limit", "3", "--yes"}, func(string) bool { return false })
	second, _, _ := General([]string{"--limit", "4", "--json"}, func(string) bool { return false })
	merged := first.Merge(second)
	if merged.Limit != 4 || !merged.Yes || !merged.JSON || !merged.Given("limit") {
		t.Errorf("%+v", merged)
	}
}
