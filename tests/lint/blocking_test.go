package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// What is bound to Lua runs while its task holds the baton, and nobody else
// runs Lua until it has put it down: whatever may take time belongs inside
// luabind.Wait. A function shows that it runs without the baton by taking a
// context; contexts reach it from Wait only. So in package luabind
//
//   - what blocks (channels, sync's waits, processes, sockets, files) stands in
//     a function that takes a context, or in one of the baton's own below;
//   - a context is handed on only by such a function too.

// baton is what makes the baton itself, and why each may block.
var baton = map[string]string{
	"(*runQueue).append": "sends into a channel with room for the one value that can be in it",
	"(*runQueue).leave":  "the same",
	"(*Runtime).resume":  "waits for the baton, which it has put down",
	"(*Runtime).park":    "puts the baton down to wait for another task",
	"(*Runtime).run":     "is the task's own goroutine and waits for its first turn",
	"(*Runtime).work":    "is the goroutine between two tasks, of which none has the baton",
	"(*workers).give":    "sends into a channel with room for the one task that can be in it",
	"(vmContext).Done":   "hands a channel on",
	"Wait":               "the one place where the baton is put down for a call",
	"Load":               "runs a head in a runtime of its own, which its caller has just made",
	"(Head).SubOptions":  "asks a grammar in a runtime of its own, which its caller has just made",
}

// keepers store a context and do not wait for anything with it.
var keepers = []string{"(*Task).scope", "(*Runtime).keyed", "(*Runtime).prepare", "(*LState).SetContext"}

// waits are calls that block, by package and name; "*" is every function of it.
var waits = map[string][]string{
	"time":                  {"Sleep"},
	"sync":                  {"(*Cond).Wait", "(*WaitGroup).Wait"},
	"os/exec":               {"*"},
	"os/signal":             {"*"},
	"net":                   {"Dial", "DialTimeout", "Listen", "LookupHost", "LookupAddr", "LookupIP", "LookupPort", "ResolveTCPAddr", "ResolveUDPAddr", "ResolveIPAddr", "(*Dialer).Dial", "(*TCPConn).*", "(*UDPConn).*", "(Conn).Read", "(Conn).Write"},
	"net/http":              {"*"},
	"os":                    {"ReadFile", "WriteFile", "Open", "OpenFile", "Create", "(*File).Read", "(*File).Write", "(*File).Sync", "(*Process).Wait"},
	"syscall":               {"*"},
	"golang.org/x/sys/unix": {"*"},
}

func TestNothingBlocksOutsideOfWait(t *testing.T) {
	for _, fault := range blockingFaults(load(t, root, "ctys/luabind")) {
		t.Error(fault)
	}
}

func load(t *testing.T, dir, pattern string) *packages.Package {
	t.Helper()
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports,
		Dir:  dir,
	}, pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range loaded[0].Errors {
		t.Fatal(fault)
	}
	return loaded[0]
}

func blockingFaults(p *packages.Package) (faults []string) {
	for _, file := range p.Syntax {
		for _, declaration := range file.Decls {
			v := &visitor{p: p, where: "the package's variables", faults: &faults}
			if fn, ok := declaration.(*ast.FuncDecl); ok {
				v.where = nameOfFunc(p.TypesInfo.Defs[fn.Name].(*types.Func))
				if baton[v.where] != "" {
					continue
				}
				v.free = takesContext(p.TypesInfo.TypeOf(fn.Name))
			}
			ast.Walk(v, declaration)
		}
	}
	return faults
}

// visitor walks one function. free: it runs without the baton.
type visitor struct {
	p      *packages.Package
	where  string
	free   bool
	faults *[]string
}

func (v *visitor) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.FuncLit:
		return v.inside(n)
	case *ast.GoStmt:
		return v.aside(n)
	}
	if v.free {
		return v
	}
	switch n := node.(type) {
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			v.fault(n, "receives from a channel")
		}
	case *ast.SendStmt:
		v.fault(n, "sends to a channel")
	case *ast.SelectStmt:
		v.fault(n, "selects among channels")
	case *ast.RangeStmt:
		if _, ok := v.p.TypesInfo.TypeOf(n.X).Underlying().(*types.Chan); ok {
			v.fault(n, "receives from a channel")
		}
	case *ast.CallExpr:
		v.call(n)
	}
	return v
}

// inside is a function within a function. One that takes a context runs
// without the baton; one that Lua calls with it; any other where it stands.
func (v *visitor) inside(literal *ast.FuncLit) ast.Visitor {
	signature := v.p.TypesInfo.TypeOf(literal)
	inner := *v
	inner.free = (v.free || takesContext(signature)) && (takesContext(signature) || !calledByLua(signature))
	return &inner
}

// aside is a goroutine of its own: it has no baton to hold up.
func (v *visitor) aside(*ast.GoStmt) ast.Visitor {
	inner := *v
	inner.free = true
	return &inner
}

func (v *visitor) call(call *ast.CallExpr) {
	fn := v.callee(call)
	if fn != nil && blocks(fn) {
		v.fault(call, "calls "+fn.FullName())
		return
	}
	if fn != nil && (fn.Pkg() != nil && fn.Pkg().Path() == "context" || slices.Contains(keepers, nameOfFunc(fn))) {
		return
	}
	for _, argument := range call.Args {
		if isContext(v.p.TypesInfo.TypeOf(argument)) {
			v.fault(call, "hands a context on, so it may wait,")
		}
	}
}

// callee is nil for a call of a function value.
func (v *visitor) callee(call *ast.CallExpr) *types.Func {
	var name *ast.Ident
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		name = fun
	case *ast.SelectorExpr:
		name = fun.Sel
	default:
		return nil
	}
	fn, _ := v.p.TypesInfo.Uses[name].(*types.Func)
	return fn
}

func (v *visitor) fault(node ast.Node, what string) {
	position := v.p.Fset.Position(node.Pos())
	*v.faults = append(*v.faults, fmt.Sprintf("%s:%d: %s %s while it holds the baton; do it inside luabind.Wait",
		filepath.Base(position.Filename), position.Line, v.where, what))
}

func blocks(fn *types.Func) bool {
	if fn.Pkg() == nil {
		return false
	}
	name := nameOfFunc(fn)
	return slices.ContainsFunc(waits[fn.Pkg().Path()], func(pattern string) bool {
		prefix, isPrefix := strings.CutSuffix(pattern, "*")
		return pattern == name || isPrefix && strings.HasPrefix(name, prefix)
	})
}

// nameOfFunc is "Name" or "(*Type).Name", without the package.
func nameOfFunc(fn *types.Func) string {
	receiver := fn.Signature().Recv()
	if receiver == nil {
		return fn.Name()
	}
	local := func(*types.Package) string { return "" }
	return "(" + types.TypeString(receiver.Type(), local) + ")." + fn.Name()
}

func takesContext(t types.Type) bool {
	signature, ok := t.(*types.Signature)
	if !ok {
		return false
	}
	for i := range signature.Params().Len() {
		if isContext(signature.Params().At(i).Type()) {
			return true
		}
	}
	return false
}

func isContext(t types.Type) bool { return t != nil && t.String() == "context.Context" }

// calledByLua tells whether this is how gopher-lua or a module's table calls a
// Go function.
func calledByLua(t types.Type) bool {
	signature, ok := t.(*types.Signature)
	if !ok || signature.Params().Len() != 1 {
		return false
	}
	parameter := signature.Params().At(0).Type().String()
	return strings.HasSuffix(parameter, "lua.LState") || strings.HasSuffix(parameter, "/luabind.Call")
}

func TestBlockingRule(t *testing.T) {
	for text, want := range map[string]int{
		"func f(c chan int) { <-c }":                                                                    1,
		"func f(c chan int) { c <- 1 }":                                                                 1,
		"func f(c chan int) { for range c { } }":                                                        1,
		"func f(c chan int) { select { case <-c: } }":                                                   2,
		"func f() { var w sync.WaitGroup; w.Wait() }":                                                   1,
		"func f() { exec.Command(\"true\").Run() }":                                                     2,
		"var f = func(c chan int) { <-c }":                                                              1,
		"func f(ctx context.Context, c chan int) { <-c }":                                               0,
		"func f(c chan int) { _ = func(ctx context.Context) { <-c } }":                                  0,
		"func f(c chan int) { go func() { <-c }() }":                                                    0,
		"type T struct{ ctx context.Context }; func g(context.Context) {}; func (t T) f() { g(t.ctx) }": 1,
		"func f(ctx context.Context) (context.Context, func()) { return context.WithCancel(ctx) }":      0,
	} {
		dir := t.TempDir()
		write(t, dir, "go.mod", "module tried\n\ngo 1.26\n")
		write(t, dir, "x.go", "package tried\nimport (\"context\"; \"os/exec\"; \"sync\")\nvar _ = context.Background\nvar _ = exec.LookPath\nvar _ sync.Mutex\n"+text+"\n")
		if faults := blockingFaults(load(t, dir, ".")); len(faults) != want {
			t.Errorf("want %d faults in\n%s\ngot %s", want, text, strings.Join(faults, "\n"))
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
