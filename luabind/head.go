package luabind

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// Head is what a script says about itself in the field head of the table that
// it returns: what it does, the arguments it takes, the powers it touches.
type Head struct {
	Name       string // of the script
	What       string // one sentence
	Usage      string // its arguments in one line; empty: made from Arguments
	Arguments  []Argument
	Examples   []string
	Grammar    string // module whose field grammar reads the action's sub-options; empty: none
	Categories []string
	// Touches are the powers that the script may use: "wol", "stack.read",
	// "ipmi.power_status". A script that declares none may only read.
	Touches []string
	// Declared tells whether the head has a field touches, be it empty.
	Declared bool

	// Runs, Source and Tested are those of a driver (drivers.NAME): the beginnings
	// of the command lines that it may run ("podman ps"), the documentation of its
	// tool, and what it was tried on.
	Runs           []string
	Source, Tested string
}

// Authority is what the head gives its script.
func (h Head) Authority() Authority {
	if !h.Declared {
		return Authority{Reads: true}
	}
	return Authority{Touch: h.Touches}
}

// masterPowers are as good as all powers: who may run a program, or a command
// on another machine, may do anything.
var masterPowers = []string{"exec", "remote", "secret"}

// MasterKeys are those of the powers touched that hold a master power.
func (h Head) MasterKeys() []string {
	var keys []string
	for _, touch := range h.Touches {
		if slices.ContainsFunc(masterPowers, func(power string) bool { return reaches(touch, power) }) {
			keys = append(keys, touch)
		}
	}
	return keys
}

// reaches tells whether a touch permits anything of a power; "ex*" does of exec.
func reaches(touch, power string) bool {
	if stem, isPattern := strings.CutSuffix(touch, "*"); isPattern && strings.HasPrefix(power+".", stem) {
		return true
	}
	named, _, _ := strings.Cut(touch, ".")
	return named == power
}

// headDeadline and headInstructions bound the loading of a script whose head
// is read: a head is data, and whoever asks for help does not want to wait.
const (
	headDeadline     = 10 * time.Second
	headInstructions = 20_000_000
)

// ReadHead is the head that Load reads.
func ReadHead(path []fs.FS, source Source) (Head, error) {
	loaded, err := Load(path, source)
	if err != nil {
		return Head{}, err
	}
	return loaded.Head, nil
}

// SubOptions is what the head's grammar says of the sub-options of its action,
// in lines; empty where it has none. Errors are of kind invalid.
func (h Head) SubOptions(path []fs.FS) (string, error) {
	if h.Grammar == "" {
		return "", nil
	}
	rt := powerless(path)
	ctx, cancel := primitives.WithTimeout(context.Background(), rt.caps.Clock, headDeadline)
	defer cancel()
	result, err := rt.Run(ctx, Script{Name: "help", Source: fmt.Sprintf("return require(%q).grammar:help()", h.Grammar)})
	if err != nil {
		return "", &primitives.Error{Kind: primitives.Invalid, Op: "head", Host: h.Name,
			Message: "the grammar " + h.Grammar + " of its sub-options cannot be read", Cause: err}
	}
	text, ok := result.Values[0].(lua.LString)
	if !ok {
		return "", primitives.Errorf(primitives.Invalid, "head", h.Name, "the grammar %s gives no help", h.Grammar)
	}
	return string(text), nil
}

// HasHead tells from the text alone whether a script declares a head and
// returns something, so that a plain script need not be run to find out. Text
// that does not parse has none.
func HasHead(source Source) bool {
	chunk, err := parse.Parse(strings.NewReader(skipShebang(source.Text)), source.File)
	if err != nil || len(chunk) == 0 {
		return false
	}
	if _, returns := chunk[len(chunk)-1].(*ast.ReturnStmt); !returns {
		return false
	}
	for _, statement := range chunk {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			if namesHead(s.Lhs) || holdsHead(s.Rhs) {
				return true
			}
		case *ast.LocalAssignStmt:
			if holdsHead(s.Exprs) {
				return true
			}
		case *ast.ReturnStmt:
			if holdsHead(s.Exprs) {
				return true
			}
		}
	}
	return false
}

// namesHead finds M.head on the left of an assignment.
func namesHead(targets []ast.Expr) bool {
	for _, target := range targets {
		if field, ok := target.(*ast.AttrGetExpr); ok && isHeadKey(field.Key) {
			return true
		}
	}
	return false
}

// holdsHead finds {head = …}.
func holdsHead(values []ast.Expr) bool {
	for _, value := range values {
		table, ok := value.(*ast.TableExpr)
		if !ok {
			continue
		}
		for _, field := range table.Fields {
			if isHeadKey(field.Key) {
				return true
			}
		}
	}
	return false
}

func isHeadKey(key ast.Expr) bool {
	word, ok := key.(*ast.StringExpr)
	return ok && word.Value == "head"
}

// headReader reads the fields of a head; the first fault stays.
type headReader struct {
	file string
	err  error
}

func (r *headReader) fault(format string, args ...any) {
	if r.err == nil {
		r.err = primitives.Errorf(primitives.Invalid, "head", r.file, format, args...)
	}
}

func (r *headReader) script(name string, value lua.LValue) Head {
	head := Head{Name: name}
	script, ok := value.(*lua.LTable)
	if !ok {
		returned := "nothing"
		if value != lua.LNil {
			returned = "a " + value.Type().String()
		}
		r.fault("the script returns %s; accepted: a table with head and action", returned)
		return head
	}
	switch fields := script.RawGetString("head").(type) {
	case *lua.LNilType:
	case *lua.LTable:
		r.head(&head, fields)
	default:
		r.fault("head is a %s; accepted: a table", fields.Type())
	}
	return head
}

var headKeys = map[string]bool{"what": true, "usage": true, "arguments": true, "examples": true, "grammar": true, "categories": true, "touches": true}

func (r *headReader) head(head *Head, fields *lua.LTable) {
	keys := headKeys
	if isDriver(head.Name) {
		keys = driverKeys
		r.driver(head, fields)
	}
	r.known(fields, "head", keys)
	head.What = r.text(fields, "what")
	head.Usage = r.text(fields, "usage")
	head.Examples = r.texts(fields, "examples")
	head.Grammar = r.text(fields, "grammar")
	head.Categories = r.texts(fields, "categories")
	head.Touches = r.texts(fields, "touches")
	head.Declared = fields.RawGetString("touches") != lua.LNil
	arguments, ok := fields.RawGetString("arguments").(*lua.LTable)
	if !ok {
		if fields.RawGetString("arguments") != lua.LNil {
			r.fault("arguments is a %s; accepted: a list of tables", fields.RawGetString("arguments").Type())
		}
		return
	}
	for i := 1; i <= arguments.Len(); i++ {
		row, ok := arguments.RawGetInt(i).(*lua.LTable)
		if !ok {
			r.fault("argument %d is a %s; accepted: a table as {name = \"interface\", option = \"i\", type = \"string\", help = \"…\"}", i, arguments.RawGetInt(i).Type())
			return
		}
		head.Arguments = append(head.Arguments, r.argument(i, row))
	}
	r.order(head.Arguments)
}

// known refuses keys that mean nothing: a slip of the pen in touches would
// otherwise go unseen.
func (r *headReader) known(table *lua.LTable, what string, keys map[string]bool) {
	table.ForEach(func(key, _ lua.LValue) {
		if !keys[key.String()] {
			r.fault("%s has an unknown field %q; accepted: %s", what, key.String(), strings.Join(sortedNames(keys), ", "))
		}
	})
}

func (r *headReader) text(table *lua.LTable, key string) string {
	switch value := table.RawGetString(key).(type) {
	case *lua.LNilType:
	case lua.LString:
		return string(value)
	default:
		r.fault("%s is a %s; accepted: a string", key, value.Type())
	}
	return ""
}

// texts reads a list of strings; one string is a list of one.
func (r *headReader) texts(table *lua.LTable, key string) []string {
	value := table.RawGetString(key)
	if value == lua.LNil {
		return nil
	}
	list, why := (&Param{Type: List}).convertList(value)
	if why != "" {
		r.fault("%s is %s; accepted: a list of strings", key, strings.TrimPrefix(why, "a "))
		return nil
	}
	return list.([]string)
}
