package inventory

import (
	"reflect"
	"testing"
)

func TestPartIsWhatTheSubsetReadsAs(t *testing.T) {
	inv := parseSample(t)
	for _, names := range [][]string{{"lab01"}, {"web1"}, {"bmc-far", "db1"}, {"lab01", "web1", "db1", "bmc-far"}, nil} {
		read, err := Parse("machines.lua", inv.Subset(names))
		if err != nil {
			t.Fatal(err)
		}
		part := inv.Part(names)
		if got, want := part.Subset(names), read.Subset(names); string(got) != string(want) {
			t.Errorf("%v: not the same:\n%s\n%s", names, got, want)
		}
		for i, row := range read.Rows() {
			row.Line = part.Rows()[i].Line // of another file
			if !reflect.DeepEqual(part.Rows()[i], row) {
				t.Errorf("%v: not the same:\n%+v\n%+v", names, part.Rows()[i], row)
			}
		}
		if !reflect.DeepEqual(part.secrets, read.secrets) {
			t.Errorf("%v: other secrets: %v, %v", names, part.secrets, read.secrets)
		}
		if !reflect.DeepEqual(part.members, read.members) {
			t.Errorf("%v: other groups: %v, %v", names, part.members, read.members)
		}
	}
}
