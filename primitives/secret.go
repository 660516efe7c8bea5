package primitives

import "context"

// Secret is a reference to a password or key. Nothing is opened before the
// first use, and no formatting verb ever prints the value.
type Secret struct {
	// Reveal fetches the value. It may ask the desk over a connection, so it
	// takes a context and may fail.
	Reveal func(ctx context.Context) (string, error)
}

// IsZero tells whether no secret is set.
func (s Secret) IsZero() bool { return s.Reveal == nil }

const hidden = "<secret>"

// String never shows the value.
func (Secret) String() string { return hidden }

// GoString never shows the value.
func (Secret) GoString() string { return hidden }

// MarshalJSON never shows the value.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
