package precompiled

import (
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// stringsAt is where a function has its constants a second time, as Go strings,
// for the instructions that look up a name. Only gopher-lua's compiler can write
// there, and it cannot be asked to without compiling.
var stringsAt = func() uintptr {
	field, found := reflect.TypeFor[lua.FunctionProto]().FieldByName("stringConstants")
	if !found || field.Type != reflect.TypeFor[[]string]() {
		panic("this gopher-lua keeps the constants of a function elsewhere")
	}
	return field.Offset
}()

func setStrings(f *lua.FunctionProto, constants []string) {
	*(*[]string)(unsafe.Add(unsafe.Pointer(f), stringsAt)) = constants
}
