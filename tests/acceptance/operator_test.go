//go:build linux

package acceptance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// callLimit bounds a call of the program that does not come to its end.
const callLimit = 150 * time.Second

// harmless starts a program without the right to take this machine down
// (capabilities(7), CAP_SYS_BOOT): the tests are about others.
var harmless = []string{"setpriv", "--bounding-set=-sys_boot", "--inh-caps=-sys_boot", "--"}

// operator is somebody who calls ctys: a home, settings in it, and the place
// from where the programs are started.
type operator struct {
	home    string
	program string
	extra   []string // variables of the environment
	typed   string   // on standard input
	place   func(ctx context.Context, argv ...string) *exec.Cmd
}

// newOperator gives an operator with a new home at a place; nil is here.
func newOperator(t testing.TB, place func(ctx context.Context, argv ...string) *exec.Cmd) *operator {
	t.Helper()
	if place == nil {
		place = func(ctx context.Context, argv ...string) *exec.Cmd {
			return exec.CommandContext(ctx, argv[0], argv[1:]...)
		}
	}
	return &operator{home: t.TempDir(), program: program(t), place: place}
}

// has writes a file of the operator's settings: "machines.lua", "site.lua".
func (o *operator) has(t testing.TB, name, text string) {
	t.Helper()
	o.keeps(t, filepath.Join(".config", "ctys", name), text)
}

// keeps writes a file in the operator's home, as a private one.
func (o *operator) keeps(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(o.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// environment has nothing of the caller's that ctys would heed.
func (o *operator) environment() []string {
	return append([]string{
		"HOME=" + o.home, "USER=root", "LOGNAME=root", "LANG=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}, o.extra...)
}

// call is one call of the program while it runs.
type call struct {
	t       testing.TB
	words   []string
	command *exec.Cmd
	cancel  context.CancelFunc
	stdout  output
	stderr  output
	ended   chan struct{}
	began   time.Time
	outcome outcome
}

// outcome is how a call ended.
type outcome struct {
	exit           int
	stdout, stderr string
	took           time.Duration
}

// output is what a program has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// starts begins a call and does not wait for its end.
func (o *operator) starts(t testing.TB, words ...string) *call {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	c := &call{t: t, words: words, cancel: cancel, ended: make(chan struct{}), began: time.Now()}
	c.command = o.place(ctx, slices.Concat(harmless, []string{o.program}, words)...)
	c.command.Env = o.environment()
	c.command.Dir = o.home
	c.command.Stdin = strings.NewReader(o.typed)
	c.command.Stdout, c.command.Stderr = &c.stdout, &c.stderr
	if err := c.command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		err := c.command.Wait()
		var status *exec.ExitError
		if err != nil && !errors.As(err, &status) {
			c.stderr.Write([]byte("\n" + err.Error()))
		}
		c.outcome = outcome{exit: c.command.ProcessState.ExitCode(), stdout: c.stdout.String(), stderr: c.stderr.String(), took: time.Since(c.began)}
	}()
	t.Cleanup(func() {
		cancel()
		<-c.ended
	})
	return c
}

// end waits until the call has ended.
func (c *call) end() outcome {
	c.t.Helper()
	<-c.ended
	c.cancel()
	return c.outcome
}

// calls is a call from beginning to end.
func (o *operator) calls(t testing.TB, words ...string) outcome {
	t.Helper()
	return o.starts(t, words...).end()
}

// says waits until the program has written words, on either stream.
func (c *call) says(words string, limit time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(c.stderr.String()+c.stdout.String(), words) {
			return
		}
		select {
		case <-c.ended:
			c.t.Fatalf("ctys ended with %d and never said %q\n%s", c.outcome.exit, words, c.outcome)
		default:
		}
		if time.Now().After(end) {
			c.t.Fatalf("after %v ctys has not said %q:\n%s%s", limit, words, c.stdout.String(), c.stderr.String())
		}
	}
}

// interrupt is Ctrl-C.
func (c *call) interrupt() {
	c.t.Helper()
	if err := c.command.Process.Signal(syscall.SIGINT); err != nil {
		c.t.Fatal(err)
	}
}

func (o outcome) String() string { return o.stdout + o.stderr }

// exits expects an exit code.
func (o outcome) exits(t testing.TB, code int) {
	t.Helper()
	if o.exit != code {
		t.Errorf("exit code %d, expected %d\n%s", o.exit, code, o)
	}
}

// tells expects words on one of the streams.
func (o outcome) tells(t testing.TB, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(o.String(), word) {
			t.Errorf("%q is not told:\n%s", word, o)
		}
	}
}

// tellsNot expects that words are on none of the streams.
func (o outcome) tellsNot(t testing.TB, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(o.String(), word) {
			t.Errorf("%q is told:\n%s", word, o)
		}
	}
}
