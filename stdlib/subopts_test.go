package stdlib_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"ctys/stdlib"
)

// newState gives Lua with nothing but the pure libraries and the modules of
// this folder. A script or module that writes or reads a global that is not
// Lua's own fails.
func newState(t testing.TB) *lua.LState {
	t.Helper()
	L := lua.NewState(lua.Options{SkipOpenLibs: true})
	t.Cleanup(L.Close)
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable},
		{lua.StringLibName, lua.OpenString}, {lua.MathLibName, lua.OpenMath},
	} {
		L.Push(L.NewFunction(library.open))
		L.Push(lua.LString(library.name))
		L.Call(1, 0)
	}
	preload(t, L)
	if err := L.DoString(testHelpers); err != nil {
		t.Fatal(err)
	}
	return L
}

// preload makes every module of the embedded tree known to require.
func preload(t testing.TB, L *lua.LState) {
	t.Helper()
	known := L.GetField(L.GetGlobal("package"), "preload").(*lua.LTable)
	for name := range modules() {
		known.RawSetString(strings.TrimSuffix(name, ".lua"), L.NewFunction(func(L *lua.LState) int {
			L.Push(L.NewFunctionFromProto(modules()[name]))
			L.Call(0, 1)
			return 1
		}))
	}
}

// modules are the embedded modules, compiled once: by name of the file.
var modules = sync.OnceValue(func() map[string]*lua.FunctionProto {
	compiled := map[string]*lua.FunctionProto{}
	names, _ := fs.Glob(stdlib.FS, "*.lua")
	for _, name := range names {
		source, err := fs.ReadFile(stdlib.FS, name)
		if err != nil {
			panic(err)
		}
		compiled[name] = compile(name, string(source))
	}
	return compiled
})

func compile(name, source string) *lua.FunctionProto {
	statements, err := parse.Parse(strings.NewReader(source), name)
	if err != nil {
		panic(err)
	}
	proto, err := lua.Compile(statements, name)
	if err != nil {
		panic(err)
	}
	return proto
}

// testHelpers gives the test files `same(got, want)`, which compares values
// all the way down, and closes the globals.
const testHelpers = `
local function show(v)
  if type(v) ~= "table" then return type(v) == "string" and "'" .. v .. "'" or tostring(v) end
  local keys = {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  local parts = {}
  for _, k in ipairs(keys) do parts[#parts + 1] = tostring(k) .. "=" .. show(v[k]) end
  return "{" .. table.concat(parts, ", ") .. "}"
end
function same(got, want)
  if show(got) ~= show(want) then error("got " .. show(got) .. ", want " .. show(want), 2) end
end
-- contains compares only the fields that want names; false stands for absent.
function contains(got, want)
  for k, v in pairs(want) do
    local g = got[k]
    if v == false and g == nil then g = false end
    if show(g) ~= show(v) then error(k .. ": got " .. show(g) .. ", want " .. show(v), 2) end
  end
end
setmetatable(_G, {
  __newindex = function(_, name) error("global " .. tostring(name) .. " is written", 2) end,
  __index = function(_, name) error("global " .. tostring(name) .. " is read", 2) end,
})
`

// TestLua runs the files of testdata. "---" on a line of its own ends a chunk;
// chunks share nothing. A line that must raise an error says so beside itself:
//
//	parse "x"   -- error: part of the message
//
// Each such line is run on its own together with the chunk's other lines; the
// chunk without them must raise nothing.
func TestLua(t *testing.T) {
	files, err := filepath.Glob("testdata/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".lua"), func(t *testing.T) { runFile(t, file) })
	}
}

func runFile(t *testing.T, file string) {
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	start := 0
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && strings.TrimSpace(lines[i]) != "---" {
			continue
		}
		runChunk(t, file, lines[:i], start)
		start = i + 1
	}
}

const marker = "-- error: "

func runChunk(t *testing.T, file string, lines []string, start int) {
	chunk := make([]string, len(lines))
	failing := map[int]string{}
	for i := start; i < len(lines); i++ {
		if _, want, found := strings.Cut(lines[i], marker); found {
			failing[i] = strings.TrimSpace(want)
			continue
		}
		chunk[i] = lines[i]
	}
	if err := run(t, file, chunk); err != nil {
		t.Errorf("%v", err)
	}
	for i, want := range failing {
		chunk[i] = lines[i]
		checkFailure(t, file, i+1, want, run(t, file, chunk))
		chunk[i] = ""
	}
}

func run(t *testing.T, file string, lines []string) error {
	L := newState(t)
	chunk, err := L.Load(strings.NewReader(strings.Join(lines, "\n")), filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	L.Push(chunk)
	return L.PCall(0, 0, nil)
}

func checkFailure(t *testing.T, file string, line int, want string, err error) {
	where := fmt.Sprintf("%s:%d", filepath.Base(file), line)
	var raised *lua.ApiError
	if !errors.As(err, &raised) {
		t.Errorf("%s: nothing was raised, want %q", where, want)
		return
	}
	message, problem := invalidMessage(raised)
	if problem != "" {
		t.Errorf("%s: %s", where, problem)
		return
	}
	if !strings.Contains(message, want) {
		t.Errorf("%s: the message is\n\t%s\nwant in it\n\t%s", where, message, want)
	}
	if !strings.Contains(raised.StackTrace, where+":") {
		t.Errorf("%s: raised elsewhere:\n%s", where, raised.StackTrace)
	}
}

// invalidMessage checks that an error is a value of kind invalid with one line
// of message, and gives the message.
func invalidMessage(raised *lua.ApiError) (message, problem string) {
	value, ok := raised.Object.(*lua.LTable)
	if !ok {
		return "", fmt.Sprintf("no error value but %s", raised.Object)
	}
	message = lua.LVAsString(value.RawGetString("message"))
	op := lua.LVAsString(value.RawGetString("op"))
	switch {
	case lua.LVAsString(value.RawGetString("kind")) != "invalid":
		return "", "the kind is not invalid: " + message
	case op != "subopts" && op != "subopts.grammar":
		return "", "the op is " + op
	case message == "" || strings.ContainsAny(message, "\n\r\x00\x1b"):
		return "", fmt.Sprintf("the message is not one line: %q", message)
	}
	return message, ""
}
