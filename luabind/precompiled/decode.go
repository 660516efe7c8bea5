package precompiled

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// decode is the reverse of Encode. What all functions of a text have of a kind
// lies in one piece of memory: they live and die together, and hundreds of small
// ones would take longer to make than the rest.
func decode(name string, encoded []byte) *lua.FunctionProto {
	r := &reader{rest: encoded, name: name}
	var all sizes
	for _, size := range all.list() {
		*size = r.number()
	}
	r.readTexts()
	r.functions = make([]lua.FunctionProto, all.functions)
	r.inner = make([]*lua.FunctionProto, all.functions) // each but the outermost is within one
	r.code, r.lines = make([]uint32, all.instructions), make([]int, all.instructions)
	r.constants, r.strings = make([]lua.LValue, all.constants), make([]string, all.constants)
	r.locals, r.localRefs = make([]lua.DbgLocalInfo, all.locals), make([]*lua.DbgLocalInfo, all.locals)
	r.calls, r.upvalues = make([]lua.DbgCall, all.calls), make([]string, all.upvalues)
	return r.function()
}

// reader reads what the compiler of the stock scripts wrote into this program;
// it trusts it.
type reader struct {
	rest   []byte
	name   string
	texts  []string
	values []lua.LValue // the texts, as constants

	// What is not yet taken.
	functions []lua.FunctionProto
	inner     []*lua.FunctionProto
	code      []uint32
	lines     []int
	constants []lua.LValue
	strings   []string
	locals    []lua.DbgLocalInfo
	localRefs []*lua.DbgLocalInfo
	calls     []lua.DbgCall
	upvalues  []string
}

// take cuts the first n off what is not yet taken.
func take[T any](left *[]T, n int) []T {
	taken := (*left)[:n:n]
	*left = (*left)[n:]
	return taken
}

func (r *reader) number() int {
	if first := r.rest[0]; first < 0x80 {
		r.rest = r.rest[1:]
		return int(first)
	}
	var n uint64
	for shift := 0; ; shift += 7 {
		digit := r.rest[0]
		r.rest = r.rest[1:]
		n |= uint64(digit&0x7f) << shift
		if digit < 0x80 {
			return int(n)
		}
	}
}

// difference reads a signed number (zigzag).
func (r *reader) difference() int {
	n := uint64(r.number())
	return int(n>>1) ^ -int(n&1)
}

func (r *reader) bytes(n int) []byte { return take(&r.rest, n) }

func (r *reader) readTexts() {
	r.texts = make([]string, r.number())
	r.values = make([]lua.LValue, len(r.texts))
	all := string(r.bytes(r.number()))
	for i := range r.texts {
		length := r.number()
		r.texts[i], all = all[:length], all[length:]
	}
}

func (r *reader) text() string { return r.texts[r.number()] }

// value is a text as a constant, made once.
func (r *reader) value(text int) lua.LValue {
	if r.values[text] == nil {
		r.values[text] = lua.LString(r.texts[text])
	}
	return r.values[text]
}

func (r *reader) function() *lua.FunctionProto {
	f := &take(&r.functions, 1)[0]
	f.SourceName = r.name
	f.LineDefined, f.LastLineDefined = r.number(), r.number()
	f.NumUpvalues, f.NumParameters = uint8(r.number()), uint8(r.number())
	f.IsVarArg, f.NumUsedRegisters = uint8(r.number()), uint8(r.number())
	r.readInstructions(f)
	r.readConstants(f)
	r.readNames(f)
	f.FunctionPrototypes = take(&r.inner, r.number())
	for i := range f.FunctionPrototypes {
		f.FunctionPrototypes[i] = r.function()
	}
	return f
}

func (r *reader) readInstructions(f *lua.FunctionProto) {
	n := r.number()
	f.Code, f.DbgSourcePositions = take(&r.code, n), take(&r.lines, n)
	for i := range f.Code {
		f.Code[i] = binary.LittleEndian.Uint32(r.bytes(4))
	}
	line := f.LineDefined
	for i := range f.DbgSourcePositions {
		line += r.difference()
		f.DbgSourcePositions[i] = line
	}
}

func (r *reader) readConstants(f *lua.FunctionProto) {
	n := r.number()
	f.Constants = take(&r.constants, n)
	strings := take(&r.strings, n)
	for i := range f.Constants {
		if r.number() == numberConstant {
			f.Constants[i] = lua.LNumber(math.Float64frombits(binary.LittleEndian.Uint64(r.bytes(8))))
			continue
		}
		at := r.number()
		f.Constants[i], strings[i] = r.value(at), r.texts[at]
	}
	setStrings(f, strings)
}

func (r *reader) readNames(f *lua.FunctionProto) {
	n := r.number()
	f.DbgLocals = take(&r.localRefs, n)
	for i := range f.DbgLocals {
		local := &take(&r.locals, 1)[0]
		local.Name, local.StartPc, local.EndPc = r.text(), r.number(), r.number()
		f.DbgLocals[i] = local
	}
	f.DbgCalls = take(&r.calls, r.number())
	for i := range f.DbgCalls {
		f.DbgCalls[i] = lua.DbgCall{Name: r.text(), Pc: r.number()}
	}
	f.DbgUpvalues = take(&r.upvalues, r.number())
	for i := range f.DbgUpvalues {
		f.DbgUpvalues[i] = r.text()
	}
}
