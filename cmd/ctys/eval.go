package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
)

func none(string) bool { return false }

// eval runs one piece of Lua and prints its values, one a line. An expression
// may be written without return.
func (a *app) eval(options form.Options, argv []string) int {
	own, words, err := form.General(argv, none)
	if err != nil {
		return a.refuse(err)
	}
	options = options.Merge(own)
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if options.Help || len(words) == 0 {
		return a.usageOf(options.Help, "usage: ctys eval 'LUA' [arguments]\n")
	}
	return a.plain(options, "eval", words[0], words[1:], true)
}

// runFile runs a script by its file name; "-" is standard input. A file with a
// head is an action: its arguments are checked and its powers narrowed.
func (a *app) runFile(options form.Options, argv []string) int {
	own, words, err := form.General(argv, none)
	if err != nil {
		return a.refuse(err)
	}
	options = options.Merge(own)
	if len(words) == 0 {
		return a.usageOf(options.Help, "usage: ctys run FILE.lua|- [arguments]\n")
	}
	file, rest := words[0], words[1:]
	text, err := a.read(file)
	if err != nil {
		return a.refuse(err)
	}
	source := luabind.Source{Name: scriptName(file), File: filepath.Base(file), Text: text}
	if !luabind.HasHead(source) {
		if options.Help {
			return a.usageOf(true, "usage: ctys run "+file+" [arguments]\n")
		}
		if len(rest) > 0 && rest[0] == "--" {
			rest = rest[1:]
		}
		return a.plain(options, source.File, text, rest, false)
	}
	source.File = source.Name + ".lua"
	path := append([]fs.FS{fsFile{name: source.File, text: text}}, a.path()...)
	loaded, err := luabind.Load(path, source)
	if err != nil {
		return a.refuse(err)
	}
	return a.action(options, loaded, path, source, rest)
}

func (a *app) usageOf(asked bool, text string) int {
	if asked {
		io.WriteString(a.stdout, text)
		return exitReached
	}
	io.WriteString(a.stderr, text)
	return exitInvalid
}

// maxScript bounds a script that is read.
const maxScript = 16 << 20

func (a *app) read(file string) (string, error) {
	if a.resumed != nil {
		return a.resumed.text(file)
	}
	from := a.stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer opened.Close()
		from = opened
	}
	text, err := io.ReadAll(io.LimitReader(from, maxScript+1))
	if err == nil && len(text) > maxScript {
		err = fmt.Errorf("%s: the script is larger than %d MiB", file, maxScript>>20)
	}
	return string(text), err
}

// scriptName makes a name that require understands of a file's.
func scriptName(file string) string {
	if file == "-" {
		return "stdin"
	}
	base := strings.TrimSuffix(filepath.Base(file), ".lua")
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, base)
	if name == "" {
		return "script"
	}
	return name
}

// plain runs a chunk with all powers.
func (a *app) plain(options form.Options, name, text string, argv []string, show bool) int {
	machines, site, err := loadSite(options.Inventory)
	if err != nil {
		return a.refuse(err)
	}
	ses := a.open(setup{
		authority: luabind.Everything, path: a.path(), inventory: machines, site: site, options: options,
		sources: []luabind.Source{{Name: name, File: plainScript, Text: text}}, plan: options.Plan, summary: !show,
	})
	return ses.do(func(ctx context.Context) (int, error) {
		result, err := ses.chunk(ctx, name, text, argv, show)
		if err != nil {
			return 0, err
		}
		if !show {
			if len(result.Values) == 1 {
				return exitOfPlain(luabind.Plain(result.Values[0]))
			}
			return exitReached, nil
		}
		if options.JSON {
			return exitReached, writeJSON(a.stdout, result)
		}
		for _, value := range result.Values {
			fmt.Fprintln(ses.reader.Output(), luabind.Format(value))
		}
		return exitReached, nil
	})
}

// writeJSON writes one value a line; standard output is theirs alone then.
func writeJSON(out io.Writer, result luabind.Result) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, value := range result.Values {
		if err := encoder.Encode(luabind.Plain(value)); err != nil {
			return err
		}
	}
	return nil
}

// exitOfPlain reads what a file without a head returned. An action would not
// have been called, and that is no success.
func exitOfPlain(result any) (int, error) {
	if fields, ok := result.(map[string]any); ok && fields["action"] == "function" {
		return 0, luabind.Errorf(luabind.Invalid, "ctys run", "",
			"the file returns an action and was not seen to have a head, so the action was not called; write M.head = {…} into the file, or put it into a folder of $CTYS_PATH and call it by its name")
	}
	return exitIn(result)
}

// chunk runs a text, as an expression first where it may be one.
func (s *session) chunk(ctx context.Context, name, text string, argv []string, expression bool) (luabind.Result, error) {
	if expression {
		result, err := s.runtime.Run(ctx, luabind.Script{Name: name, Source: "return " + text, Args: argv})
		if !isSyntax(err) {
			return result, err
		}
	}
	return s.runtime.Run(ctx, luabind.Script{Name: name, Source: text, Args: argv})
}

// isSyntax tells whether a chunk did not parse, so that nothing of it has run.
func isSyntax(err error) bool {
	var script *luabind.ScriptError
	return err != nil && !errors.As(err, &script)
}
