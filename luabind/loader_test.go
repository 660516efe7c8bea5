package luabind

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestShadowing(t *testing.T) {
	first := fstest.MapFS{"a.lua": {Data: []byte(`return "first"`)}}
	second := fstest.MapFS{
		"a.lua":         {Data: []byte(`return "second"`)},
		"b.lua":         {Data: []byte(`return "b of second, " .. require("a")`)},
		"drivers/x.lua": {Data: []byte(`return ...`)},
		"loop1.lua":     {Data: []byte(`return require "loop2"`)},
		"loop2.lua":     {Data: []byte(`return require "loop1"`)},
		"bad.lua":       {Data: []byte("local x =\n\nreturn")},
		"code.lua":      {Data: []byte("\x1bLuaQ")},
		"targets.lua":   {Data: []byte(`local t = require "stock.targets" t.mine = true return t`)},
	}
	path := []fs.FS{first, second}
	tests := []struct{ source, want string }{
		{`return require "a"`, "first"},
		{`return require "b"`, "b of second, first"},
		{`return require "drivers.x"`, "drivers.x"},
		{`return require "a" == require "a"`, "true"},
		{`return require "targets".mine, type(require "targets".each)`, "true function"},
		{`return require "stock.targets" == require "targets"`, "true"},
		{`return type(require "power".action), type(require "stdlib.power".state)`, "function function"},
		{`return require "stock.power" == require "power"`, "true"},
		{`require "stdlib.none"`, "the stock has no module of this name"},
		{`require "stdlib.../scripts/cancel"`, "the stock has no module of this name"},
		{`require "none"`, "no script or module of this name"},
		{`require "../a"`, "no name of a script"},
		{`require "a/b"`, "no script or module"},
		{`require ""`, "no name of a script"},
		{`require "loop1"`, "in a circle"},
		{`require "bad"`, "bad.lua"},
		{`require "code"`, "bytecode"},
	}
	for _, test := range tests {
		rt, _ := virtual(t, Options{Path: path})
		result, err := rt.Run(context.Background(), Script{Name: "r.lua", Source: test.source})
		var words []string
		for _, value := range result.Values {
			words = append(words, Format(value))
		}
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.source, got, test.want)
		}
	}
}

func TestStockScriptsParse(t *testing.T) {
	for _, dir := range stock {
		names, err := fs.Glob(dir, "*.lua")
		if err != nil || len(names) == 0 {
			t.Fatalf("%v, %v", names, err)
		}
		for _, name := range names {
			text, _ := fs.ReadFile(dir, name)
			if _, err := compileSource(name, string(text)); err != nil {
				t.Error(err)
			}
		}
	}
}
