package luabind

import (
	"fmt"
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// protect is lua.LState.PCall without a fault of gopher-lua 1.1.2: whatever is
// raised there detaches the captured local variables of every function of the
// thread, also of those that go on after the pcall. Such a function and its
// closures then each have a copy of their own:
//
//	local last
//	local function look() pcall(error, "x"); last = "seen" end
//	look(); print(last) --> nil
//
// gopher-lua leaves them alone where there is an error function, so we say that
// there is one, and detach what belongs to the functions that have ended.
//
// The function and its arguments are the last on the stack, above rt.barrier.
func protect(L *lua.LState, nargs int) error {
	flag := hasErrorFunc.of(L)
	outer := *flag
	err := L.PCall(nargs+1, lua.MultRet, nil)
	*flag = outer // which PCall has cleared
	return err
}

// barrier is called in place of the function that is its first argument.
func barrier(L *lua.LState) int {
	*hasErrorFunc.of(L) = true
	first := *registerTop.of(*register.of(L)) - L.GetTop()
	ended := false
	defer func() {
		if !ended {
			detach(L, first)
		}
	}()
	L.Call(L.GetTop()-1, lua.MultRet)
	ended = true
	return L.GetTop()
}

// detach gives the captured variables that stand in the registers from first on
// a place of their own: their functions have ended. The list is in the order of
// registers; it is what LState.closeUpvalues does.
func detach(L *lua.LState, first int) {
	place := captured.of(L)
	for *place != nil && *capturedIndex.of(unsafe.Pointer(*place)) < first {
		place = capturedNext.of(unsafe.Pointer(*place))
	}
	ended := *place
	*place = nil
	for ; ended != nil; ended = *capturedNext.of(unsafe.Pointer(ended)) {
		ended.Close()
	}
}

// The fields that are needed of gopher-lua's own types.
var (
	hasErrorFunc = fieldOf[*lua.LState, bool](reflect.TypeFor[lua.LState](), "hasErrorFunc")
	captured     = fieldOf[*lua.LState, *lua.Upvalue](reflect.TypeFor[lua.LState](), "uvcache")
	register     = fieldOf[*lua.LState, unsafe.Pointer](reflect.TypeFor[lua.LState](), "reg")

	registerTop   = fieldOf[unsafe.Pointer, int](pointee(reflect.TypeFor[lua.LState](), "reg"), "top")
	capturedIndex = fieldOf[unsafe.Pointer, int](reflect.TypeFor[lua.Upvalue](), "index")
	capturedNext  = fieldOf[unsafe.Pointer, *lua.Upvalue](reflect.TypeFor[lua.Upvalue](), "next")
)

// field is where a field of type F stands in what P points to.
type field[P, F any] uintptr

func (f field[P, F]) of(p P) *F {
	return (*F)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&p)), uintptr(f)))
}

func fieldOf[P, F any](of reflect.Type, name string) field[P, F] {
	found, ok := of.FieldByName(name)
	wanted := reflect.TypeFor[F]()
	if !ok || found.Type != wanted && !(wanted == reflect.TypeFor[unsafe.Pointer]() && found.Type.Kind() == reflect.Pointer) {
		panic(fmt.Sprintf("gopher-lua has changed: there is no field %s of type %s in %s", name, wanted, of))
	}
	return field[P, F](found.Offset)
}

// pointee is the type that a field points to.
func pointee(of reflect.Type, name string) reflect.Type {
	found, ok := of.FieldByName(name)
	if !ok || found.Type.Kind() != reflect.Pointer {
		panic(fmt.Sprintf("gopher-lua has changed: there is no pointer %s in %s", name, of))
	}
	return found.Type.Elem()
}
