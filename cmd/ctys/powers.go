package main

import (
	"ctys/luabind"
	"ctys/luabind/real"
)

// powers are those of this machine, and the way to others.
func powers(s *session) (luabind.Capabilities, func() error) {
	return real.New(real.Options{Warn: s.app.warn})
}
