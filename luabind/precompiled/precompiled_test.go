package precompiled

import (
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"ctys/scripts"
	"ctys/stdlib"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

func compile(t *testing.T, name, text string) *lua.FunctionProto {
	t.Helper()
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		t.Fatal(err)
	}
	code, err := lua.Compile(chunk, name)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// same encodes and decodes, and wants all that the compiler made, down to the
// fields that only gopher-lua sees.
func same(t *testing.T, name, text string) {
	t.Helper()
	want := compile(t, name, text)
	encoded, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(name, encoded); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: decoded otherwise than it was compiled:\n%v\nwant:\n%v", name, got, want)
	}
}

func TestStockScriptsAreTheSame(t *testing.T) {
	for _, stock := range []fs.FS{scripts.FS, stdlib.FS} {
		tried := 0
		err := fs.WalkDir(stock, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(stock, name)
			same(t, name, string(text))
			tried++
			return err
		})
		if err != nil || tried == 0 {
			t.Fatal(tried, err)
		}
	}
}

func TestAllOfLuaIsTheSame(t *testing.T) {
	many := "local t = {}\n" // more constants than an operand can number
	for i := range 400 {
		many += "t.k" + strings.Repeat("x", i) + " = " + strings.Repeat("1", 1+i%9) + ".5\n"
	}
	for name, text := range map[string]string{
		"empty":     "",
		"constants": many,
		"numbers":   "return 0, -1, 1e308, 0.1, 2^53, 0xff, 1/0",
		"texts":     `return "", "\0\1\255", "line\nbreak", "ä"`,
		"varargs":   "local function f(a, ...) local b = {...} return select('#', ...), b, arg end return f(...)",
		"upvalues":  "local a, b = 1, 2\nlocal function f() a = a + 1 return function() b = a .. b return a end end\nreturn f",
		"jumps":     "for i = 1, 9 do if i % 2 == 0 then goto next end while i > 3 do break end ::next:: end repeat local x = nil until not x",
		"methods":   "local o = { n = 1 } function o:add(k) self.n = self.n + k return self end\n\n\nreturn o:add(2):add(3).n, #o, -o.n, not o",
		"backwards": "local function f()\n  return {\n    a = g(\n      1),\n  }\nend\nreturn f",
	} {
		same(t, name, text)
	}
}

func TestOtherTextsAreNotKept(t *testing.T) {
	if _, kept := Load("x.lua", "return 'the code of this is nowhere'"); kept {
		t.Error("there is code of a text that was never compiled")
	}
	long := strings.Repeat("-", 10_000)
	if Key(long) == Key(long+" ") || Key(long) == Key(long[1:]) || Key(long) != Key(strings.Clone(long)) {
		t.Error("the key does not tell texts apart")
	}
}

// The code is that of one compiler: another one means other instructions.
func TestMadeNamesTheCompiler(t *testing.T) {
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	compiler, _, _ := strings.Cut(made, ",")
	if !strings.Contains(string(module), "\t"+compiler+"\n") {
		t.Errorf("go.mod does not require %q: say in made what it requires", compiler)
	}
}
