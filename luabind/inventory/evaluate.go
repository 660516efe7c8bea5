package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

const (
	maxSource = 32 << 20 // bytes of a file
	maxText   = 64 << 10 // bytes of a text made by ".."
	maxIndex  = 1 << 20  // of a list that is filled by computed index
)

// evaluate runs a file and gives the one table that it returns.
func evaluate(src source, text []byte) (*table, error) {
	if len(text) > maxSource {
		return nil, src.at(1, "the file is larger than %d MiB", maxSource>>20)
	}
	if bytes.HasPrefix(text, []byte("\x1b")) {
		return nil, src.at(1, "this is compiled Lua; only source text is read")
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	statements, err := parse.Parse(bytes.NewReader(text), src.name)
	if err != nil {
		return nil, syntaxError(src, text, err)
	}
	if constants := literal(statements); constants != nil {
		return constants, nil
	}
	compiled, err := compile(src, statements)
	if err != nil {
		return nil, err
	}
	return run(src, compiled)
}

// program is a file that is ready to run.
type program struct {
	prototype *lua.FunctionProto
	tables    []tableLines
	last      int // line of the last statement
}

func compile(src source, statements []ast.Stmt) (compiled *program, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			compiled, err = nil, src.at(1, "the file cannot be compiled: %v", fault)
		}
	}()
	compiled = &program{last: 1}
	if n := len(statements); n > 0 {
		compiled.last = statements[n-1].Line()
	}
	in := &instrument{src: src}
	in.block(statements)
	if in.err != nil {
		return nil, in.err
	}
	compiled.tables = in.tables
	compiled.prototype, err = lua.Compile(statements, src.name)
	var fault *lua.CompileError
	if errors.As(err, &fault) {
		return nil, src.at(fault.Line, "%s", fault.Message)
	}
	return compiled, err
}

func syntaxError(src source, text []byte, err error) error {
	var fault *parse.Error
	if !errors.As(err, &fault) {
		return src.at(1, "the file is not Lua: %v", err)
	}
	if fault.Pos.Line == parse.EOF {
		return src.at(bytes.Count(text, []byte("\n"))+1, "%s at the end of the file (is a bracket, a quote or `end` missing?)", fault.Message)
	}
	if fault.Message == "unterminated string" { // found at the end of the line, and told as the next one
		return src.at(fault.Pos.Line-1, "a text is not closed by a quote: %s", fault.Token)
	}
	return src.at(fault.Pos.Line, "%s near %q (is a comma or a bracket missing before it?)", fault.Message, fault.Token)
}

// run has no library in its state: what a file can reach is what globals lists.
func run(src source, compiled *program) (result *table, err error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: 200, MinimizeStackMemory: true})
	defer state.Close()
	state.SetContext(newBudget(maxSteps))
	places := map[*lua.LTable]tableLines{}
	globals(state, compiled.tables, places)
	state.Push(state.NewFunctionFromProto(compiled.prototype))
	if err := state.PCall(0, lua.MultRet, nil); err != nil {
		return nil, runError(src, err)
	}
	root, ok := state.Get(1).(*lua.LTable)
	if !ok || state.GetTop() != 1 {
		return nil, src.at(compiled.last, "the file must `return` one table, and returns %s", returned(state))
	}
	reader := &converter{src: src, places: places}
	return reader.table(root, 1, 0)
}

func returned(state *lua.LState) string {
	switch n := state.GetTop(); n {
	case 0:
		return "nothing"
	case 1:
		return luaKind(state.Get(1))
	default:
		return strconv.Itoa(n) + " values"
	}
}

// runError turns "NAME:LINE: MESSAGE" into the error for that line.
func runError(src source, err error) error {
	var fault *lua.ApiError
	if !errors.As(err, &fault) {
		return src.at(1, "%v", err)
	}
	message := fault.Object.String()
	if rest, ok := strings.CutPrefix(message, src.name+":"); ok {
		digits, text, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(digits); err == nil {
			return src.at(line, "%s", plainer(text))
		}
	}
	return src.at(1, "%s", plainer(message))
}

// plainer says in the reader's words what gopher-lua says in its own.
func plainer(message string) string {
	if strings.Contains(message, "stack overflow") || strings.Contains(message, "registry overflow") {
		return "a function in it calls itself without end"
	}
	return message
}

// globals are the two things that a file may use, the functions that
// instrument put into it, and a plain word for all that is missing.
func globals(state *lua.LState, lines []tableLines, places map[*lua.LTable]tableLines) {
	state.SetGlobal("secret", secretTable(state))
	state.SetGlobal(hiddenTable, state.NewFunction(func(state *lua.LState) int {
		made := state.CheckTable(2)
		places[made] = lines[state.CheckInt(1)]
		state.Push(made)
		return 1
	}))
	state.SetGlobal(hiddenConcat, state.NewFunction(concat))
	state.SetGlobal(hiddenKey, state.NewFunction(checkKey))
	missing := state.NewTable()
	missing.RawSetString("__index", state.NewFunction(func(state *lua.LState) int {
		state.RaiseError("`%s` is not defined here: text stands in quotes, and of functions there are only secret.file, secret.env and secret.command", state.Get(2).String())
		return 0
	}))
	state.SetMetatable(state.Get(lua.GlobalsIndex), missing)
}

func concat(state *lua.LState) int {
	for i := 1; i <= 2; i++ {
		if !lua.LVCanConvToString(state.Get(i)) {
			state.RaiseError("%s cannot be joined to text by `..`", luaKind(state.Get(i)))
		}
	}
	left, right := state.Get(1).String(), state.Get(2).String()
	if len(left)+len(right) > maxText {
		state.RaiseError("`..` makes a text longer than %d bytes", maxText)
	}
	state.Push(lua.LString(left + right))
	return 1
}

// checkKey refuses an index that gopher-lua would fill up to: it grows a list
// to any index below 2^26.
func checkKey(state *lua.LState) int {
	if n, ok := state.Get(1).(lua.LNumber); ok && n > maxIndex {
		state.RaiseError("index %v is larger than %d", n, maxIndex)
	}
	state.Push(state.Get(1))
	return 1
}

// luaKind names a value's type for a reader.
func luaKind(value lua.LValue) string {
	switch v := value.(type) {
	case lua.LString:
		return "text"
	case lua.LNumber:
		return "a number"
	case lua.LBool:
		return fmt.Sprintf("%v", bool(v))
	case *lua.LTable:
		return "a table"
	case *lua.LFunction:
		return "a function"
	case *lua.LUserData:
		if _, ok := v.Value.(SecretRef); ok {
			return "a secret"
		}
	}
	return value.Type().String()
}
