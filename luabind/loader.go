package luabind

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"

	"ctys/luabind/precompiled"
	"ctys/primitives"
	"ctys/stdlib"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// Source is a script or module as it was found.
type Source struct {
	Name string // "cancel", "drivers.podman"
	File string // "cancel.lua"
	Text string
	// Stock tells that it is the embedded one.
	Stock bool
}

// Find looks a script or module up: the first hit in the path, then the
// embedded ones, scripts before modules. "stock.NAME" always means the embedded
// one, "stdlib.NAME" the embedded module, also where a stock script has its name
// and builds on it. The error's kind is invalid where there is none.
func Find(searchPath []fs.FS, name string) (Source, error) {
	if module, ok := strings.CutPrefix(name, "stdlib."); ok {
		return findModule(name, module)
	}
	bare, isStock := strings.CutPrefix(name, "stock.")
	file := strings.ReplaceAll(bare, ".", "/") + ".lua"
	if !fs.ValidPath(file) || bare == "" || path.Base(file) == ".lua" {
		return Source{}, primitives.Errorf(primitives.Invalid, "require", name, "this is no name of a script or module")
	}
	if !isStock {
		for _, dir := range searchPath {
			text, err := fs.ReadFile(dir, file)
			if err == nil {
				return Source{Name: name, File: file, Text: string(text)}, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return Source{}, primitives.Wrap("require", name, "the file "+file+" cannot be read", err)
			}
		}
	}
	if text, ok := stockText(file); ok {
		return Source{Name: name, File: file, Text: text, Stock: true}, nil
	}
	return Source{}, primitives.Errorf(primitives.Invalid, "require", name, "no script or module of this name; see ctys script ls")
}

func findModule(name, module string) (Source, error) {
	file := module + ".lua"
	text, err := fs.ReadFile(stdlib.FS, file)
	if err != nil {
		return Source{}, primitives.Errorf(primitives.Invalid, "require", name, "the stock has no module of this name")
	}
	return Source{Name: name, File: "stdlib/" + file, Text: string(text), Stock: true}, nil
}

// stockTexts keeps the embedded files that were read, as strings: each runtime
// of a run with many nested ones asks for the same.
var stockTexts sync.Map // file → text

func stockText(file string) (string, bool) {
	if text, ok := stockTexts.Load(file); ok {
		return text.(string), true
	}
	for _, dir := range stock {
		if text, err := fs.ReadFile(dir, file); err == nil {
			stockTexts.Store(file, string(text))
			return string(text), true
		}
	}
	return "", false
}

// compiled keeps the code of scripts and modules that were found by name, so
// that a run with many nested runtimes compiles each once.
var compiled sync.Map // Source → func() (*lua.FunctionProto, error)

// compileFound compiles what was found. Who comes while another one is at it
// gets what comes of that.
func compileFound(source Source) (*lua.FunctionProto, error) {
	once, known := compiled.Load(source)
	if !known {
		once, _ = compiled.LoadOrStore(source, sync.OnceValues(func() (*lua.FunctionProto, error) {
			if code, kept := precompiled.Load(source.File, source.Text); kept {
				return code, nil
			}
			return compileSource(source.File, source.Text)
		}))
	}
	return once.(func() (*lua.FunctionProto, error))()
}

func compileSource(file, text string) (*lua.FunctionProto, error) {
	if strings.HasPrefix(text, "\x1bLua") {
		return nil, primitives.Errorf(primitives.Invalid, "load", file, "bytecode is not accepted, only source")
	}
	chunk, err := parse.Parse(strings.NewReader(skipShebang(text)), file)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	proto, err := lua.Compile(chunk, file)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	return proto, nil
}

// skipShebang turns a first line "#!…" into a comment, so that line numbers stay.
func skipShebang(text string) string {
	if strings.HasPrefix(text, "#!") {
		return "--" + text
	}
	return text
}

func syntaxError(file string, err error) error {
	return primitives.Errorf(primitives.Invalid, "load", file, "%s", strings.Join(strings.Fields(err.Error()), " "))
}

func (rt *Runtime) compile(file, text string) (*lua.LFunction, error) {
	proto, err := compileSource(file, text)
	if err != nil {
		return nil, err
	}
	return rt.root.NewFunctionFromProto(proto), nil
}

// loading marks a module whose chunk is running.
var loading = &lua.LUserData{}

// require loads a module once. A module may be required by its own chunk's
// callees only after it has returned.
func (rt *Runtime) require(L *lua.LState) int {
	name := L.CheckString(1)
	if value, ok := rt.loaded[name]; ok {
		if value == loading {
			rt.raise(L, primitives.Errorf(primitives.Invalid, "require", name, "the modules require each other in a circle"))
		}
		L.Push(value)
		return 1
	}
	source, err := Find(rt.options.Path, name)
	if err != nil {
		rt.raise(L, err)
	}
	proto, err := compileFound(source)
	if err != nil {
		rt.raise(L, err)
	}
	rt.load(L, name, rt.root.NewFunctionFromProto(proto))
	L.Push(rt.loaded[name])
	return 1
}

// load runs a module's chunk and gives what it returns. One that returns nothing
// is loaded nevertheless, and is true.
func (rt *Runtime) load(L *lua.LState, name string, fn *lua.LFunction) lua.LValue {
	rt.loaded[name] = loading
	complete := false
	defer func() {
		if !complete {
			delete(rt.loaded, name)
		}
	}()
	L.Push(fn)
	L.Push(lua.LString(name))
	L.Call(1, 1)
	value := L.Get(-1)
	L.Pop(1)
	rt.loaded[name] = value
	if value == lua.LNil {
		rt.loaded[name] = lua.LTrue
	}
	complete = true
	return value
}
