package stdlib_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"ctys/luabind/inventory"
)

// fold calls ranges.fold.
func fold(t testing.TB, L *lua.LState, names []string) []string {
	t.Helper()
	if err := L.DoString(`return require("ranges").fold`); err != nil {
		t.Fatal(err)
	}
	list := L.NewTable()
	for _, name := range names {
		list.Append(lua.LString(name))
	}
	L.Push(list)
	L.Call(1, 1)
	words := []string{}
	L.Get(-1).(*lua.LTable).ForEach(func(_, word lua.LValue) { words = append(words, word.String()) })
	L.Pop(1)
	return words
}

// Whatever is folded, the inventory expands it to the same names.
func TestWhatIsFoldedIsExpandedAgain(t *testing.T) {
	L := newState(t)
	random := rand.New(rand.NewPCG(1, 2))
	heads, tails := []string{"bmc", "lab0", "r1n", "10.0.0.", "a-", "x9y"}, []string{"", "", "-ipmi", ".site", "b"}
	for range 300 {
		var names []string
		for range random.IntN(60) {
			number := random.IntN([]int{12, 120, 2_000_000_000}[random.IntN(3)])
			width := random.IntN(5)
			names = append(names, fmt.Sprintf("%s%0*d%s", heads[random.IntN(len(heads))], width, number, tails[random.IntN(len(tails))]))
		}
		words := fold(t, L, names)
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) == 0 {
			if len(words) > 0 {
				t.Errorf("nothing is folded to %q", words)
			}
			continue
		}
		again, err := inventory.Empty().Expand(words)
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		if len(again) != len(names) {
			t.Errorf("%q: %d names, folded from %d", words, len(again), len(names))
		}
		slices.Sort(again)
		if !slices.Equal(again, names) {
			t.Fatalf("%q\nis %q\nand was %q", words, again, names)
		}
	}
}

func TestARackIsOneWord(t *testing.T) {
	L := newState(t)
	names := make([]string, 16_384)
	for i := range names {
		names[len(names)-1-i] = fmt.Sprintf("bmc%05d", i)
	}
	if words := fold(t, L, names); !slices.Equal(words, []string{"bmc[00000-16383]"}) {
		t.Errorf("%q", words)
	}
}
