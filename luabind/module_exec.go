package luabind

import (
	"context"

	"ctys/primitives"
	"ctys/primitives/exec"
)

// execModule runs programs on this machine.
func (rt *Runtime) execModule() *Module {
	return &Module{
		Name: "exec", Master: true,
		Help: "Run one program: no shell, C locale, with a deadline.",
		Functions: []Function{{
			Name: "run", Help: "Runs a program to its end. An exit status other than 0 is a result, not an error.",
			Args: []Param{{Name: "argv", Type: List, Required: true, Help: "the program and its arguments"}},
			Options: []Param{
				{Name: "stdin", Type: String, Help: "its standard input; empty where left out"},
				{Name: "env", Type: Words, Help: "added to its environment"},
				{Name: "secret", Type: Secret, Help: "given on standard input in place of stdin"},
				{Name: "deadline", Type: Seconds, Default: 60.0},
				{Name: "limit", Type: Integer, Min: 1, Max: 1 << 30, Default: float64(1 << 20), Help: "bytes kept of each output"},
			},
			Result:  "{exit=number, stdout=string or nil, stderr=string or nil, truncated=boolean}",
			Errors:  []primitives.Kind{primitives.Unsupported, primitives.Timeout, primitives.Denied},
			Example: `print(exec.run({"uname", "-r"}).stdout)`,
			Op: &Operation{
				Effect: Write,
				Object: func(c *Call) string { return rt.here() + " program " + first(c.Strings("argv")) },
				Do:     func(ctx context.Context, c *Call) (any, error) { return rt.execRun(ctx, c) },
			},
		}},
	}
}

func (rt *Runtime) execRun(ctx context.Context, c *Call) (exec.Result, error) {
	ctx, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
	defer cancel()
	return rt.caps.Exec.Run(ctx, exec.Request{
		Argv:   c.Strings("argv"),
		Stdin:  c.String("stdin"),
		Env:    c.Words("env"),
		Secret: c.Secret("secret"),
		Limit:  c.Int("limit"),
	})
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
