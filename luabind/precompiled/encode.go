package precompiled

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Encode writes down compiled code for Load: the sizes of all that follows,
// then every text once, then the functions, each before those within it. All
// numbers are varints. The error names what the form has no room for.
//
// The positions of instructions are written as differences: most are zero or
// one.
func Encode(code *lua.FunctionProto) ([]byte, error) {
	w := &writer{index: map[string]uint64{}}
	w.function(code)
	if w.err != nil {
		return nil, w.err
	}
	var head []byte
	for _, size := range w.sizes.list() {
		head = binary.AppendUvarint(head, uint64(*size))
	}
	all := strings.Join(w.texts, "")
	head = binary.AppendUvarint(head, uint64(len(w.texts)))
	head = binary.AppendUvarint(head, uint64(len(all)))
	head = append(head, all...)
	for _, text := range w.texts {
		head = binary.AppendUvarint(head, uint64(len(text)))
	}
	return append(head, w.body...), nil
}

// sizes are how many of each kind a text's functions have together.
type sizes struct{ functions, instructions, constants, locals, calls, upvalues int }

func (s *sizes) list() []*int {
	return []*int{&s.functions, &s.instructions, &s.constants, &s.locals, &s.calls, &s.upvalues}
}

// The kinds of constants.
const (
	textConstant = iota
	numberConstant
)

type writer struct {
	sizes sizes
	texts []string
	index map[string]uint64
	body  []byte
	err   error
}

func (w *writer) number(n int) { w.body = binary.AppendUvarint(w.body, uint64(n)) }

func (w *writer) text(text string) {
	at, known := w.index[text]
	if !known {
		at = uint64(len(w.texts))
		w.index[text] = at
		w.texts = append(w.texts, text)
	}
	w.body = binary.AppendUvarint(w.body, at)
}

func (w *writer) function(f *lua.FunctionProto) {
	w.sizes.functions++
	for _, n := range []int{f.LineDefined, f.LastLineDefined, int(f.NumUpvalues), int(f.NumParameters), int(f.IsVarArg), int(f.NumUsedRegisters)} {
		w.number(n)
	}
	w.instructions(f)
	w.constants(f.Constants)
	w.names(f)
	w.number(len(f.FunctionPrototypes))
	for _, inner := range f.FunctionPrototypes {
		w.function(inner)
	}
}

func (w *writer) instructions(f *lua.FunctionProto) {
	if len(f.Code) != len(f.DbgSourcePositions) {
		w.err = fmt.Errorf("the function of line %d has %d instructions and %d positions", f.LineDefined, len(f.Code), len(f.DbgSourcePositions))
		return
	}
	w.sizes.instructions += len(f.Code)
	w.number(len(f.Code))
	for _, instruction := range f.Code {
		w.body = binary.LittleEndian.AppendUint32(w.body, instruction)
	}
	last := f.LineDefined
	for _, line := range f.DbgSourcePositions {
		w.body = binary.AppendVarint(w.body, int64(line-last))
		last = line
	}
}

func (w *writer) constants(list []lua.LValue) {
	w.sizes.constants += len(list)
	w.number(len(list))
	for _, constant := range list {
		switch value := constant.(type) {
		case lua.LString:
			w.number(textConstant)
			w.text(string(value))
		case lua.LNumber:
			w.number(numberConstant)
			w.body = binary.LittleEndian.AppendUint64(w.body, math.Float64bits(float64(value)))
		default:
			w.err = fmt.Errorf("a constant is a %s", constant.Type())
		}
	}
}

// names writes what only errors and messages need.
func (w *writer) names(f *lua.FunctionProto) {
	w.sizes.locals += len(f.DbgLocals)
	w.number(len(f.DbgLocals))
	for _, local := range f.DbgLocals {
		w.text(local.Name)
		w.number(local.StartPc)
		w.number(local.EndPc)
	}
	w.sizes.calls += len(f.DbgCalls)
	w.number(len(f.DbgCalls))
	for _, call := range f.DbgCalls {
		w.text(call.Name)
		w.number(call.Pc)
	}
	w.sizes.upvalues += len(f.DbgUpvalues)
	w.number(len(f.DbgUpvalues))
	for _, name := range f.DbgUpvalues {
		w.text(name)
	}
}
