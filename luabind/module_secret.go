package luabind

import (
	"context"

	"ctys/luabind/inventory"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// secretModule makes references to passwords. Nothing is opened before the
// first use, and no script ever sees a value.
func (rt *Runtime) secretModule() *Module {
	name := Param{Name: "name", Type: String, Required: true}
	reference := func(fn func(c *Call) inventory.SecretRef) func(c *Call) ([]lua.LValue, error) {
		return func(c *Call) ([]lua.LValue, error) {
			ref := fn(c)
			return []lua.LValue{rt.secretValue(primitives.Secret{Reveal: func(ctx context.Context) (string, error) {
				return ref.Resolve(ctx, rt.options.Inventory.Dir)
			}})}, nil
		}
	}
	fromInventory := reference(func(c *Call) inventory.SecretRef {
		return inventory.SecretRef{Source: "file", Name: c.String("name")}
	})
	return &Module{
		Name: "secret",
		Help: "References to passwords, opened at first use and never shown.",
		Functions: []Function{
			{
				Name: "file", Help: "The first line of a file that only its owner may read; a relative name starts at the inventory's folder.",
				Args:    []Param{name},
				Options: []Param{{Name: "typed", Type: Boolean, Help: "an operator typed the name: a relative one starts at the working folder, and - is standard input"}},
				Result:  "a secret", Example: `local pw = secret.file("bmc.pw")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					if c.Bool("typed") {
						return []lua.LValue{rt.secretValue(rt.typedSecret(c.String("name")))}, nil
					}
					return fromInventory(c)
				},
			},
			{
				Name: "env", Help: "An environment variable, which the programs that are started do not get.", Args: []Param{name}, Result: "a secret",
				Example: `local pw = secret.env("BMC_PASSWORD")`,
				Run: reference(func(c *Call) inventory.SecretRef {
					primitives.HideVariable(c.String("name"))
					return inventory.SecretRef{Source: "env", Name: c.String("name")}
				}),
			},
			{
				Name: "command", Help: "The first line that a program prints; it is run without a shell.",
				Args: []Param{{Name: "argv", Type: Rest}}, Result: "a secret",
				Example: `local pw = secret.command("pass", "show", "bmc/lab01")`,
				Run:     rt.secretCommand,
			},
			{
				Name: "prompt", Help: "Asks the operator at first use; the typing is not shown.",
				Args: []Param{{Name: "question", Type: String, Required: true}}, Result: "a secret",
				Example: `local pw = secret.prompt("password of the BMC: ")`,
				Run:     rt.secretPrompt,
			},
		},
	}
}

// secretCommand runs a program, so it needs the authority of a master key.
func (rt *Runtime) secretCommand(c *Call) ([]lua.LValue, error) {
	if !rt.authority.Permits("secret.command", Write) {
		return nil, primitives.Errorf(primitives.Denied, c.Verb(), "", `the script does not declare this power; add "secret.command" to touches in its head`)
	}
	argv := make([]string, len(c.rest))
	for i, word := range c.rest {
		argv[i] = lua.LVAsString(word)
	}
	if len(argv) == 0 {
		return nil, c.invalid("the program is missing")
	}
	ref := inventory.SecretRef{Source: "command", Argv: argv}
	return []lua.LValue{rt.secretValue(primitives.Secret{Reveal: func(ctx context.Context) (string, error) {
		return ref.Resolve(ctx, rt.options.Inventory.Dir)
	}})}, nil
}

func (rt *Runtime) secretPrompt(c *Call) ([]lua.LValue, error) {
	question := c.String("question")
	return []lua.LValue{rt.secretValue(primitives.Secret{Reveal: func(ctx context.Context) (string, error) {
		if rt.options.Terminal == nil {
			return "", primitives.Errorf(primitives.Auth, "secret.prompt", "", "there is no terminal to ask on")
		}
		return rt.options.Terminal.Ask(ctx, question, true)
	}})}, nil
}

// secretValue wraps a secret for scripts: it prints as <secret> and has no fields.
func (rt *Runtime) secretValue(secret primitives.Secret) lua.LValue {
	if secret.IsZero() {
		return lua.LNil
	}
	value := rt.root.NewUserData()
	value.Value = secret
	meta := rt.root.NewTypeMetatable("ctys.secret")
	if meta.RawGetString("__tostring") == lua.LNil {
		meta.RawSetString("__tostring", rt.root.NewFunction(func(L *lua.LState) int {
			L.Push(lua.LString(secret.String()))
			return 1
		}))
		meta.RawSetString("__metatable", lua.LString("secret"))
	}
	value.Metatable = meta
	return value
}
