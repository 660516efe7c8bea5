package main

import "ctys/cmd/ctys/form"

func (a *app) repl(options form.Options, argv []string) int {
	return a.refuse(&form.Error{Option: "repl", Message: "not in this version"})
}
