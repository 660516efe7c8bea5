package luabind

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ctys/luabind/inventory"
	"ctys/primitives"
)

// maxTyped bounds what is read of standard input in search of a line's end.
const maxTyped = 64 << 10

// typedSecret is a secret whose file an operator named on a command line: a
// relative name starts at the working folder, and "-" is the first line of
// standard input, which is read once.
func (rt *Runtime) typedSecret(name string) primitives.Secret {
	if name == "-" {
		return primitives.Secret{Reveal: rt.stdinLine}
	}
	return primitives.Secret{Reveal: func(ctx context.Context) (string, error) {
		folder, err := os.Getwd()
		if err != nil && !filepath.IsAbs(name) {
			return "", primitives.Wrap("secret.file", "", "the working folder is not known", err)
		}
		return inventory.SecretRef{Source: "file", Name: name}.Resolve(ctx, folder)
	}}
}

// typedLine is what standard input held, for all who ask.
type typedLine struct {
	once sync.Once
	done chan struct{}
	text string
	err  error
}

// stdinLine gives the first line of standard input. It stops waiting, though
// not reading, when ctx ends.
func (rt *Runtime) stdinLine(ctx context.Context) (string, error) {
	line := &rt.typed
	line.once.Do(func() {
		line.done = make(chan struct{})
		input := rt.options.Stdin
		if input == nil {
			input = os.Stdin
		}
		go func() {
			defer close(line.done)
			line.text, line.err = firstLine(input)
		}()
	})
	select {
	case <-line.done:
		return line.text, line.err
	case <-ctx.Done():
		return "", primitives.Wrap("secret.file", "", "nothing came on standard input", ctx.Err())
	}
}

func firstLine(input io.Reader) (string, error) {
	var text []byte
	for piece := make([]byte, 512); len(text) < maxTyped && bytes.IndexByte(text, '\n') < 0; {
		n, err := input.Read(piece)
		text = append(text, piece[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", primitives.Wrap("secret.file", "", "standard input cannot be read", err)
		}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line != "" {
		return line, nil
	}
	return "", primitives.Errorf(primitives.Auth, "secret.file", "", "the first line of standard input is empty")
}
