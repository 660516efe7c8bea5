package stdlib_test

import (
	"errors"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// FuzzGrammars feeds any text to CREATE's and CANCEL's grammars: it is read or
// refused as invalid in one line, and nothing else happens.
func FuzzGrammars(f *testing.F) {
	for _, text := range []string{
		"", "l:tst100,POWEROFF:0", "wol,t:hostX,broadcast:192.168.3.251:4711", "wol,broadcast:", "CONSOLE:cli",
		"t:h,PING:40%%3,callopts:a::b,,c", "broadcast:[ff02::1]:9", "bmac:0:1:2:3:4:5", "base:a%b%%c", "init:9",
		"stackcheck:CONTEXT%NOHWCAP", "u:00000000-0000-0000-0000-000000000000", ",,,", "%%%", ":::", "x\n\"",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	L := newState(f)
	if err := L.DoString(`local create, cancel = require "create_grammar", require "cancel_grammar"
		return { create.parse, cancel.parse }`); err != nil {
		f.Fatal(err)
	}
	parsers := L.CheckTable(-1)
	context := map[bool]*lua.LTable{true: L.NewTable(), false: L.NewTable()}
	context[true].RawSetString("type", lua.LString("pm"))
	context[false].RawSetString("type", lua.LString("XEN"))
	f.Fuzz(func(t *testing.T, text string, pm bool) {
		for i := 1; i <= 2; i++ {
			err := L.CallByParam(lua.P{Fn: parsers.RawGetInt(i), NRet: 1, Protect: true}, lua.LString(text), context[pm])
			if err == nil {
				L.Pop(1)
				continue
			}
			var raised *lua.ApiError
			if !errors.As(err, &raised) {
				t.Fatalf("%q: %v", text, err)
			}
			if _, problem := invalidMessage(raised); problem != "" {
				t.Errorf("%q: %s", text, problem)
			}
		}
	})
}
