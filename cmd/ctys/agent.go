package main

import "ctys/cmd/ctys/form"

func (a *app) agent(argv []string) int {
	return a.refuse(&form.Error{Option: "agent", Message: "not in this version"})
}
