package main

import (
	"ctys/cmd/ctys/form"
)

func (a *app) lab(options form.Options, argv []string) int {
	return a.refuse(&form.Error{Option: "lab", Message: "not in this version"})
}
