package inventory

import (
	"reflect"
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/parse"
)

// bothWays reads a file from its syntax, and by running it.
func bothWays(t *testing.T, text string) (short, long *table) {
	t.Helper()
	statements, err := parse.Parse(strings.NewReader(text), "m.lua")
	if err != nil {
		return nil, nil
	}
	short = literal(statements)
	src := source{loadOp, "m.lua"}
	compiled, err := compile(src, statements)
	if err == nil {
		long, err = run(src, compiled)
	}
	if err != nil && short != nil {
		t.Fatalf("read from its syntax, and refused otherwise: %v\n%s", err, text)
	}
	return short, long
}

func TestConstantsAreReadFromTheSyntax(t *testing.T) {
	text := string(parseSample(t).Subset([]string{"lab01", "web1", "db1", "bmc-far"}))
	short, long := bothWays(t, text)
	if short == nil || !reflect.DeepEqual(short, long) {
		t.Errorf("not the same:\n%+v\n%+v", short, long)
	}
	for _, other := range []string{
		"return { a = { port = 0010 } }", "return { a = { port = 0x10 } }", "return { a = { port = 1e3 } }",
		"return { a = { b = 1, b = 2 } }", "return { a = { [1] = 2 } }", "return { a = { user = nil } }",
		"return { a = { user = \"x\" .. \"y\" } }", "return { a = { password = secret.command(\"x\") } }",
		"local t = {} return t", "return {}, {}",
	} {
		if short, _ := bothWays(t, other); short != nil {
			t.Errorf("taken for constants: %s", other)
		}
	}
}

// FuzzLiteral: what the short way reads, the long way reads the same.
func FuzzLiteral(f *testing.F) {
	f.Add("return { a = { own = { \"x\", { y = 1.5, z = true } } }, [\"@g\"] = { \"a\", \"!a\" } }")
	f.Add("return { a = { password = secret.file(\"x\"), port = 007, b = .5, [\"\"] = false } }")
	f.Add("return\n{ a\n=\n{ }\n, [ \"b\" ] = { 1; 2 } }")
	f.Fuzz(func(t *testing.T, text string) {
		if short, long := bothWays(t, text); short != nil && !reflect.DeepEqual(short, long) {
			t.Fatalf("not the same:\n%+v\n%+v\n%s", short, long, text)
		}
	})
}
