package luabind

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
)

func TestRequiredNames(t *testing.T) {
	text := `-- an example: local walk = require "walk"
local goal = require "goal"
local a, b = require("one"), require( 'two' )
  return require("deep.three")
local seldom = where_needed and require("seldom").field or require("seldom")[1]
local required = require_all
local dynamic = require(name), require "
`
	want := []string{"goal", "one", "two", "deep.three"}
	if got := required(text); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A module that does not parse is told where it is required, and compiled but
// once however many ask for it at a time.
func TestPrefetchTellsNothing(t *testing.T) {
	path := []fs.FS{fstest.MapFS{
		"site.lua":   {Data: []byte(`local ok, err = pcall(require, "broken"); local again = require "whole"; return { head = { what = tostring(err) .. again } }` + "\n--[[ require \"broken\" ]]")},
		"broken.lua": {Data: []byte("return (")}, "whole.lua": {Data: []byte(`return " whole"`)},
	}}
	source, err := Find(path, "site")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		Prefetch(path, source)
		head, err := ReadHead(path, source)
		if err != nil || len(head.What) < 10 || head.What[len(head.What)-6:] != " whole" {
			t.Errorf("%+v, %v", head, err)
		}
	}
}

// Everything that the stock scripts require is found by looking at their text.
func TestRequiredAreFound(t *testing.T) {
	for _, name := range Scripts(nil) {
		source, err := Find(nil, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range required(source.Text) {
			if _, err := Find(nil, module); err != nil {
				t.Errorf("%s requires %q: %v", name, module, err)
			}
		}
	}
}
