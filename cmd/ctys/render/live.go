package render

import "ctys/luabind"

// Screen is the terminal that a live tree is painted on.
type Screen struct {
	Size   func() (columns, rows int)
	Colour bool
}

type live struct{ r *Reader }

func newLive(r *Reader) *live { return &live{r} }

func (l *live) event(event luabind.Event) { l.r.plain(event) }
func (l *live) erase()                    {}
func (l *live) paint()                    {}
func (l *live) suspend(bool)              {}
func (l *live) last()                     {}
func (l *live) end()                      {}
