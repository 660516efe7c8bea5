package inventory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"ctys/primitives"
)

const (
	resolveOp = "secret.resolve"
	maxSecret = 64 << 10 // bytes read in search of the end of the first line
)

// Resolve fetches the secret: the first line of the file or of what the
// command prints, or the variable's value. A relative file name starts from
// baseDir. Kinds: primitives.Denied for a file that others can read or we
// cannot, Auth for a secret that is missing or empty, Unreachable for one that
// is only on the desk. No error holds any part of the secret.
func (s SecretRef) Resolve(ctx context.Context, baseDir string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", primitives.Wrap(resolveOp, "", "the secret was not fetched", err)
	}
	switch s.Source {
	case "file":
		return s.fromFile(baseDir)
	case "env":
		if text := firstLine([]byte(os.Getenv(s.Name))); text != "" {
			return text, nil
		}
		return "", primitives.Errorf(primitives.Auth, resolveOp, "", "the environment variable %s is not set or empty", s.Name)
	case "command":
		return s.fromCommand(ctx, baseDir)
	case "desk":
		return "", primitives.Errorf(primitives.Unreachable, resolveOp, "", "the secret %s is on the desk, and there is no connection to it", s.Name)
	}
	return "", primitives.Errorf(primitives.Auth, resolveOp, "", "no secret is set")
}

func (s SecretRef) fromFile(baseDir string) (string, error) {
	path := s.Name
	if !filepath.IsAbs(path) {
		path = filepath.Join(baseDir, path)
	}
	// O_NONBLOCK: a FIFO without a writer would block the open.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", primitives.Errorf(primitives.Auth, resolveOp, "", "the secret file %s does not exist", path)
	}
	if err != nil {
		return "", primitives.Wrap(resolveOp, "", "the secret file cannot be opened", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", primitives.Wrap(resolveOp, "", "the secret file cannot be examined", err)
	}
	if !info.Mode().IsRegular() {
		return "", primitives.Errorf(primitives.Denied, resolveOp, "", "the secret file %s is no regular file", path)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", primitives.Errorf(primitives.Denied, resolveOp, "", "the secret file %s is open to every account of this machine; run: chmod o= %s", path, shellWord(path))
	}
	head, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", primitives.Wrap(resolveOp, "", "the secret file cannot be read", err)
	}
	if text := firstLine(head); text != "" {
		return text, nil
	}
	return "", primitives.Errorf(primitives.Auth, resolveOp, "", "the first line of the secret file %s is empty", path)
}

// fromCommand runs the words as they are, without a shell. What the command
// writes to its standard error might hold the secret and is not repeated.
func (s SecretRef) fromCommand(ctx context.Context, baseDir string) (string, error) {
	if len(s.Argv) == 0 {
		return "", primitives.Errorf(primitives.Invalid, resolveOp, "", "the secret's command has no words")
	}
	var output capped
	command := exec.CommandContext(ctx, s.Argv[0], s.Argv[1:]...)
	command.Dir = baseDir
	command.Env = primitives.Environment()
	command.Stdout = &output
	err := command.Run()
	program := s.Argv[0]
	if ctx.Err() != nil {
		return "", primitives.Wrap(resolveOp, "", "the secret's command "+program+" was ended", ctx.Err())
	}
	if err != nil {
		return "", &primitives.Error{Kind: primitives.Auth, Op: resolveOp, Message: "the secret's command " + program + " failed (run it by hand to see why)", Cause: err}
	}
	if text := firstLine(output.Bytes()); text != "" {
		return text, nil
	}
	return "", primitives.Errorf(primitives.Auth, resolveOp, "", "the secret's command %s printed nothing in its first line", program)
}

// capped keeps the beginning of what is written to it.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxSecret - c.Len(); room > 0 {
		c.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r")))
}

// shellWord quotes a word for a command line that is shown to be copied.
func shellWord(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ownedSecret is a reference and the row that it stands in.
type ownedSecret struct {
	ref SecretRef
	row string
}

// Resolve fetches a secret of a row: what is on the desk through Resolver, all
// else as SecretRef.Resolve does, from the inventory's folder.
func (inv *Inventory) Resolve(ctx context.Context, ref SecretRef, row string) (string, error) {
	if ref.Source == "desk" && inv.Resolver != nil {
		return inv.Resolver(ctx, ref, row)
	}
	return ref.Resolve(ctx, inv.Dir)
}

// Secret makes the value that powers take. It is fetched at the first use and
// kept; a failure is not kept. The zero reference makes the zero Secret.
func (inv *Inventory) Secret(ref SecretRef, row string) primitives.Secret {
	if ref.IsZero() {
		return primitives.Secret{}
	}
	var mu sync.Mutex
	var known string
	return primitives.Secret{Reveal: func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != "" {
			return known, nil
		}
		text, err := inv.Resolve(ctx, ref, row)
		if err == nil {
			known = text
		}
		return text, err
	}}
}

// ResolveForDesk answers a far agent that asks for a secret.desk reference of
// this inventory's Subset. An id that no row has is primitives.Denied.
func (inv *Inventory) ResolveForDesk(ctx context.Context, id string) (string, error) {
	owned, found := inv.secrets[id]
	if !found {
		return "", primitives.Errorf(primitives.Denied, resolveOp, "", "the inventory has no secret %q", id)
	}
	return inv.Resolve(ctx, owned.ref, owned.row)
}
