package remote

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"ctys/primitives"
)

//go:embed install.sh
var installScript string

// Install puts a program on the other side and returns its path. It looks for
// the first of $XDG_CACHE_HOME/ctys (~/.cache/ctys where that is not set),
// /run/user/UID/ctys and /var/tmp/ctys-UID that is the account's own, of mode
// 0700 and no symbolic link, and may execute. Where the file name is there
// already with this SHA-256, nothing is uploaded. Otherwise the program goes
// there under a temporary name, gzip-compressed where the other side has gzip,
// is verified there, made 0700 and renamed; of a failed upload nothing stays.
// Two desks may do this at the same time.
//
// binary opens the program's size bytes, whose SHA-256 is sum; it may be called
// again where a folder turns out to be full. Nothing but a POSIX shell and
// utilities is needed on the other side; where that has no program for SHA-256,
// the uploaded one is asked ("agent sum" prints its own in hexadecimal).
//
// Errors are of kind Invalid (name, sum, or a binary that is not what sum
// says), Denied (no folder can be used), Internal (the upload arrived
// corrupted), Unreachable, Timeout or Canceled.
func (c *Conn) Install(ctx context.Context, binary func() (io.ReadCloser, error), size int64, sum, name string) (string, error) {
	var refused []string
	full := "" // the folder that could not take it
	for {
		found, err := c.find(ctx, sum, name, full)
		if err != nil || found.have != "" {
			return found.have, err
		}
		refused = append(refused, found.refused...)
		if found.usable == "" || found.usable == full {
			return "", primitives.Errorf(primitives.Denied, opInstall, c.settings.alias,
				"no folder there can take and execute a program: %s; set XDG_CACHE_HOME there to a folder that can", strings.Join(refused, "; "))
		}
		answer, said, err := c.put(ctx, found.usable, found.packed, binary, size, sum, name)
		switch {
		case err != nil:
			return "", err
		case answer.have == found.usable+"/"+name:
			return answer.have, nil
		case answer.differs:
			return "", primitives.Errorf(primitives.Internal, opInstall, c.settings.alias,
				"%s arrived corrupted in %s and was removed there: try again", name, found.usable)
		}
		full = found.usable
		refused = append(refused, strings.Join(append(answer.failed, said), ": "))
	}
}

// Installed looks, without changing more than Install's folders, whether name
// is there with this SHA-256, and where.
func (c *Conn) Installed(ctx context.Context, sum, name string) (path string, ok bool, err error) {
	found, err := c.find(ctx, sum, name, "")
	return found.have, err == nil && found.have != "", err
}

// findings are the answers of install.sh.
type findings struct {
	have    string
	usable  string
	refused []string
	failed  []string
	differs bool
	packed  bool
	whole   bool
}

// parseFindings reads what a login printed: answers, and lines that are none.
func parseFindings(output string) findings {
	var found findings
	for _, line := range strings.Split(output, "\n") {
		answer, isAnswer := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "@ ")
		if !isAnswer {
			continue
		}
		word, detail, _ := strings.Cut(answer, " ")
		switch word {
		case "have":
			found.have = absolute(detail)
		case "usable":
			found.usable = absolute(detail)
		case "refused":
			found.refused = append(found.refused, cleanText(detail))
		case "failed":
			found.failed = append(found.failed, cleanText(detail))
		case "differs":
			found.differs = true
		case "gzip":
			found.packed = true
		case "end":
			found.whole = true
		}
	}
	return found
}

// absolute lets only a plain absolute path through, as the other side wrote it:
// it goes back there.
func absolute(name string) string {
	if !path.IsAbs(name) || cleanText(name) != name {
		return ""
	}
	return name
}

// find asks where the program is or can be put, below the folder after.
func (c *Conn) find(ctx context.Context, sum, name, after string) (findings, error) {
	if err := checkProgram(sum, name); err != nil {
		return findings{}, &primitives.Error{Kind: primitives.Invalid, Op: opInstall, Host: c.settings.alias, Cause: err}
	}
	output, words, exit, err := c.script(ctx, nil, "find", name, sum, rand.Text(), after)
	if err != nil {
		return findings{}, err
	}
	found := parseFindings(output)
	if !found.whole {
		return findings{}, primitives.Errorf(primitives.Unsupported, opInstall, c.settings.alias,
			"its shell does not run a POSIX script (exit code %d): %s", exit, words)
	}
	return found, nil
}

// checkProgram refuses what could not be a file name and a sum: both become
// arguments of a script.
func checkProgram(sum, name string) error {
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha256.Size || strings.ToLower(sum) != sum {
		return fmt.Errorf("%q is no SHA-256 in lower-case hexadecimal digits", sum)
	}
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00\n") {
		return fmt.Errorf("%q is no name for a program", name)
	}
	return nil
}

// put uploads into dir. said is what the other side's programs complained of.
func (c *Conn) put(ctx context.Context, dir string, packed bool, binary func() (io.ReadCloser, error), size int64, sum, name string) (findings, string, error) {
	source, err := binary()
	if err != nil {
		return findings{}, "", primitives.Wrap(opInstall, c.settings.alias, "the program to upload cannot be read", err)
	}
	defer source.Close()
	form := "plain"
	if packed {
		form = "gzip"
	}
	upload := newUpload(source, size, sum, packed)
	output, words, _, err := c.script(ctx, upload, "put", dir, name, sum, form, rand.Text())
	upload.Close()
	if upload.mismatch != nil {
		return findings{}, "", &primitives.Error{Kind: primitives.Invalid, Op: opInstall, Host: c.settings.alias, Cause: upload.mismatch}
	}
	return parseFindings(output), words, err
}

// upload is the program on its way. Its end is an error where it was not the
// one that sum and size say, so that the other side gets no whole file.
type upload struct {
	*io.PipeReader
	mismatch error
	finished chan struct{}
}

func newUpload(source io.Reader, size int64, sum string, packed bool) *upload {
	out, in := io.Pipe()
	u := &upload{PipeReader: out, finished: make(chan struct{})}
	go func() {
		defer close(u.finished)
		in.CloseWithError(u.fill(in, source, size, sum, packed))
	}()
	return u
}

func (u *upload) fill(in io.Writer, source io.Reader, size int64, sum string, packed bool) error {
	var out io.WriteCloser = unpacked{in}
	if packed {
		out = gzip.NewWriter(in)
	}
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, digest), source)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); n != size || got != sum {
		u.mismatch = fmt.Errorf("the program to upload has %d bytes and SHA-256 %s, but should have %d and %s", n, got, size, sum)
		return u.mismatch
	}
	return out.Close()
}

// Close ends the upload, also where the other side did not want all of it.
func (u *upload) Close() error {
	err := u.PipeReader.Close()
	<-u.finished
	return err
}

type unpacked struct{ io.Writer }

func (unpacked) Close() error { return nil }

// script runs install.sh on the other side with some arguments and more
// standard input. The command line only takes the script, whose length it
// knows, from the standard input: so it stands in no list of processes, fits
// any limit, and any login shell can read the line.
func (c *Conn) script(ctx context.Context, more io.Reader, arguments ...string) (output, words string, exit int, err error) {
	load := fmt.Sprintf(`eval "$(dd bs=1 count=%d 2>/dev/null)"`, len(installScript))
	line := Quote(append([]string{"exec", "sh", "-c", load, "ctys"}, arguments...))
	input := io.Reader(strings.NewReader(installScript))
	if more != nil {
		input = io.MultiReader(input, more)
	}
	out, complaints := &bounded{limit: 1 << 20}, &tail{limit: maxStderr}
	exit, err = c.Run(ctx, Command{Line: line, Stdin: input, Stdout: out, Stderr: complaints})
	var own *primitives.Error
	if errors.As(err, &own) {
		own.Op = opInstall
	}
	return out.String(), strings.TrimSpace(cleanText(complaints.String())), exit, err
}
