package inventory

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// literal reads a file that is nothing but one table of constants, as most are
// and as every one that travels to another machine is, from its syntax: many
// times faster than compiling and running it. It gives nil for any other file,
// and for one with a fault, which the long way finds and describes.
func literal(statements []ast.Stmt) *table {
	if len(statements) != 1 {
		return nil
	}
	result, ok := statements[0].(*ast.ReturnStmt)
	if !ok || len(result.Exprs) != 1 {
		return nil
	}
	root, ok := result.Exprs[0].(*ast.TableExpr)
	if !ok {
		return nil
	}
	return literalTable(root, 0)
}

func literalTable(from *ast.TableExpr, level int) *table {
	if level > maxLevels {
		return nil
	}
	to := &table{line: from.Line(), named: make(map[string]value, len(from.Fields))}
	for _, field := range from.Fields {
		v := literalValue(field.Value, level)
		if v.data == nil {
			return nil
		}
		if field.Key == nil {
			to.list = append(to.list, v)
			continue
		}
		key, ok := field.Key.(*ast.StringExpr)
		if !ok {
			return nil
		}
		if _, twice := to.named[key.Value]; twice {
			return nil
		}
		if line := key.Line(); line != 0 {
			v.line = line
		}
		to.keys = append(to.keys, key.Value)
		to.named[key.Value] = v
	}
	return to
}

// literalValue has no data where the expression is no constant.
func literalValue(e ast.Expr, level int) value {
	v := value{line: e.Line()}
	switch x := e.(type) {
	case *ast.StringExpr:
		v.data = x.Value
	case *ast.TrueExpr:
		v.data = true
	case *ast.FalseExpr:
		v.data = false
	case *ast.NumberExpr:
		if n, ok := decimal(x.Value); ok {
			v.data = n
		}
	case *ast.TableExpr:
		if inner := literalTable(x, level+1); inner != nil {
			v.data = inner
		}
	case *ast.FuncCallExpr:
		if ref, ok := literalSecret(x); ok {
			v.data = ref
		}
	}
	return v
}

// decimal reads digits with at most one point; Lua's other notations are rare,
// and gopher-lua takes a leading zero for octal.
func decimal(text string) (float64, bool) {
	if len(text) > 1 && text[0] == '0' && text[1] != '.' {
		return 0, false
	}
	for i := range len(text) {
		if c := text[i]; c != '.' && (c < '0' || c > '9') {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// literalSecret is secret.file("name") and the others that take one text.
func literalSecret(call *ast.FuncCallExpr) (SecretRef, bool) {
	from, ok := call.Func.(*ast.AttrGetExpr)
	if !ok || len(call.Args) != 1 {
		return SecretRef{}, false
	}
	object, isName := from.Object.(*ast.IdentExpr)
	function, isText := from.Key.(*ast.StringExpr)
	name, isConstant := call.Args[0].(*ast.StringExpr)
	if !isName || !isText || !isConstant || object.Value != "secret" || name.Value == "" {
		return SecretRef{}, false
	}
	switch function.Value {
	case "file", "env", "desk":
		return SecretRef{Source: function.Value, Name: name.Value}, true
	}
	return SecretRef{}, false
}
