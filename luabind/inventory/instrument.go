package inventory

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// Names that no Lua source can spell, for the functions that the instrumented
// program calls.
const (
	hiddenTable  = "\x00table"
	hiddenConcat = "\x00concat"
	hiddenKey    = "\x00key"
)

// maxNesting bounds how deep expressions and blocks may nest. Compiling goes
// down the tree by recursion, and a Go stack that overflows cannot be caught.
const maxNesting = 100

// tableLines says where a table constructor and its parts stand.
type tableLines struct {
	line int
	keys map[string]int
	list []int
}

// instrument rewrites a parsed file before it is compiled:
//   - each table constructor reports the table that it made, so that errors
//     found later can name a line;
//   - "..", which could double a string for ever, and keys that are computed,
//     which could ask for a huge array, go through functions that check them;
//   - each row becomes a function of its own, because gopher-lua looks up a
//     constant by going through all those of its function.
//
// A key that stands twice in one constructor is an error here: Lua would drop
// the first without a word.
type instrument struct {
	src    source
	tables []tableLines
	depth  int
	inside int // how many table constructors are open
	err    error
}

func (in *instrument) fail(node ast.PositionHolder, format string, args ...any) {
	if in.err == nil {
		in.err = in.src.at(node.Line(), format, args...)
	}
}

// down counts one level; its result goes back up.
func (in *instrument) down(node ast.PositionHolder) func() {
	in.depth++
	if in.depth > maxNesting {
		in.fail(node, "more than %d levels of nesting", maxNesting)
	}
	return func() { in.depth-- }
}

func (in *instrument) block(statements []ast.Stmt) {
	for _, statement := range statements {
		if in.err != nil {
			return
		}
		in.statement(statement)
	}
}

func (in *instrument) statement(statement ast.Stmt) {
	defer in.down(statement)()
	if in.err != nil {
		return
	}
	switch s := statement.(type) {
	case *ast.AssignStmt:
		for _, target := range s.Lhs {
			in.target(target)
		}
		in.expressions(s.Rhs)
	case *ast.LocalAssignStmt:
		in.expressions(s.Exprs)
	case *ast.FuncCallStmt:
		s.Expr = in.expression(s.Expr)
	case *ast.DoBlockStmt:
		in.block(s.Stmts)
	case *ast.WhileStmt:
		s.Condition = in.expression(s.Condition)
		in.block(s.Stmts)
	case *ast.RepeatStmt:
		in.block(s.Stmts)
		s.Condition = in.expression(s.Condition)
	case *ast.IfStmt:
		s.Condition = in.expression(s.Condition)
		in.block(s.Then)
		in.block(s.Else)
	case *ast.NumberForStmt:
		s.Init, s.Limit, s.Step = in.expression(s.Init), in.expression(s.Limit), in.expression(s.Step)
		in.block(s.Stmts)
	case *ast.GenericForStmt:
		in.fail(s, "`for … in` is not available here: the file is data, and has no libraries")
	case *ast.FuncDefStmt:
		in.target(s.Name.Func)
		in.block(s.Func.Stmts)
	case *ast.ReturnStmt:
		in.expressions(s.Exprs)
	}
}

// target is the left side of an assignment; it stays what it is.
func (in *instrument) target(e ast.Expr) {
	if attribute, ok := e.(*ast.AttrGetExpr); ok {
		defer in.down(e)()
		attribute.Object = in.expression(attribute.Object)
		attribute.Key = in.key(attribute.Key)
	}
}

func (in *instrument) expressions(list []ast.Expr) {
	for i := range list {
		list[i] = in.expression(list[i])
	}
}

func (in *instrument) expression(e ast.Expr) ast.Expr {
	if e == nil {
		return nil
	}
	defer in.down(e)()
	if in.err != nil {
		return e
	}
	switch x := e.(type) {
	case *ast.TableExpr:
		return in.table(x)
	case *ast.StringConcatOpExpr:
		return call(x, hiddenConcat, in.expression(x.Lhs), in.expression(x.Rhs))
	case *ast.AttrGetExpr:
		x.Object, x.Key = in.expression(x.Object), in.expression(x.Key)
	case *ast.FuncCallExpr:
		x.Func, x.Receiver = in.expression(x.Func), in.expression(x.Receiver)
		in.expressions(x.Args)
	case *ast.LogicalOpExpr:
		x.Lhs, x.Rhs = in.expression(x.Lhs), in.expression(x.Rhs)
	case *ast.RelationalOpExpr:
		x.Lhs, x.Rhs = in.expression(x.Lhs), in.expression(x.Rhs)
	case *ast.ArithmeticOpExpr:
		x.Lhs, x.Rhs = in.expression(x.Lhs), in.expression(x.Rhs)
	case *ast.UnaryMinusOpExpr:
		x.Expr = in.expression(x.Expr)
	case *ast.UnaryNotOpExpr:
		x.Expr = in.expression(x.Expr)
	case *ast.UnaryLenOpExpr:
		x.Expr = in.expression(x.Expr)
	case *ast.FunctionExpr:
		in.block(x.Stmts)
	}
	return e
}

func (in *instrument) table(x *ast.TableExpr) ast.Expr {
	lines := tableLines{line: x.Line(), keys: map[string]int{}}
	in.inside++
	for _, field := range x.Fields {
		in.field(&lines, field)
	}
	in.inside--
	in.tables = append(in.tables, lines)
	made := call(x, hiddenTable, number(x, len(in.tables)-1), x)
	if in.inside == 1 {
		return ownFunction(made)
	}
	return made
}

func (in *instrument) field(lines *tableLines, field *ast.Field) {
	switch key := field.Key.(type) {
	case nil:
		lines.list = append(lines.list, field.Value.Line())
	case *ast.StringExpr:
		line := key.Line()
		if line == 0 {
			line = field.Value.Line()
		}
		if first, twice := lines.keys[key.Value]; twice && in.err == nil {
			in.err = in.src.at(line, "%q stands twice in this table, first in line %d; Lua would drop that one", key.Value, first)
		}
		lines.keys[key.Value] = line
	default:
		field.Key = in.key(key)
	}
	field.Value = in.expression(field.Value)
}

// key lets a computed key be checked when it is known.
func (in *instrument) key(key ast.Expr) ast.Expr {
	if _, text := key.(*ast.StringExpr); text {
		return key
	}
	return call(key, hiddenKey, in.expression(key))
}

// ownFunction is (function() return e end)().
func ownFunction(e ast.Expr) ast.Expr {
	result := &ast.ReturnStmt{Exprs: []ast.Expr{e}}
	place(result, e)
	function := &ast.FunctionExpr{ParList: &ast.ParList{}, Stmts: []ast.Stmt{result}}
	place(function, e)
	outer := &ast.FuncCallExpr{Func: function, AdjustRet: true}
	place(outer, e)
	return outer
}

func call(at ast.PositionHolder, function string, args ...ast.Expr) ast.Expr {
	name := &ast.IdentExpr{Value: function}
	place(name, at)
	e := &ast.FuncCallExpr{Func: name, Args: args, AdjustRet: true}
	place(e, at)
	return e
}

func number(at ast.PositionHolder, n int) ast.Expr {
	e := &ast.NumberExpr{Value: strconv.Itoa(n)}
	place(e, at)
	return e
}

func place(e, at ast.PositionHolder) {
	e.SetLine(at.Line())
	e.SetLastLine(at.Line())
}
