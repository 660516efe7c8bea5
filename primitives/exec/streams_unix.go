//go:build unix

package exec

import (
	"io"
	"os"
	"os/exec"
	"sync"
)

// streams are the three standard streams of one program. The pipes are made
// here and not by os/exec, whose Wait would wait on the system's clock for a
// daemon that keeps one open.
type streams struct {
	input  string
	stdin  *os.File // our end; nil where the program reads /dev/null
	stdout *os.File
	stderr *os.File
	theirs []*os.File // the program's ends

	out, err *keeper
	done     chan struct{} // closed when both outputs have ended
}

// openStreams makes the pipes and puts the program's ends into command.
func openStreams(command *exec.Cmd, input string, limit int) (*streams, error) {
	if limit == 0 {
		limit = defaultLimit
	}
	s := &streams{input: input, out: &keeper{limit: limit}, err: &keeper{limit: limit}, done: make(chan struct{})}
	var theirs *os.File
	var err error
	if input != "" {
		if theirs, s.stdin, err = s.pipe(); err != nil {
			return nil, err
		}
		command.Stdin = theirs
		s.theirs = append(s.theirs, theirs)
	}
	if s.stdout, theirs, err = s.pipe(); err != nil {
		return nil, err
	}
	command.Stdout = theirs
	s.theirs = append(s.theirs, theirs)
	if s.stderr, theirs, err = s.pipe(); err != nil {
		return nil, err
	}
	command.Stderr = theirs
	s.theirs = append(s.theirs, theirs)
	return s, nil
}

// pipe is os.Pipe; an error closes what was opened before.
func (s *streams) pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		s.close()
	}
	return r, w, err
}

// begin moves data, once the program runs and has its ends.
func (s *streams) begin() {
	s.closeTheirs()
	if s.stdin != nil {
		go func() {
			// A program that ends without reading it all is no error.
			_, _ = io.WriteString(s.stdin, s.input)
			_ = s.stdin.Close()
		}()
	}
	var copies sync.WaitGroup
	for from, to := range map[*os.File]*keeper{s.stdout: s.out, s.stderr: s.err} {
		copies.Go(func() { _, _ = io.Copy(to, from) })
	}
	go func() {
		copies.Wait()
		close(s.done)
	}()
}

func (s *streams) closeTheirs() {
	for _, file := range s.theirs {
		_ = file.Close()
	}
	s.theirs = nil
}

// close ends every transfer; a second close of a file is harmless.
func (s *streams) close() {
	s.closeTheirs()
	for _, file := range []*os.File{s.stdin, s.stdout, s.stderr} {
		if file != nil {
			_ = file.Close()
		}
	}
}

func (s *streams) result() Result {
	var result Result
	var cut [2]bool
	result.Stdout, cut[0] = s.out.read()
	result.Stderr, cut[1] = s.err.read()
	result.Truncated = cut[0] || cut[1]
	return result
}

// keeper keeps the first limit bytes and takes the rest without keeping it.
type keeper struct {
	mu    sync.Mutex
	limit int
	kept  []byte
	cut   bool
}

// Write never fails, so that the program is never stopped by its output.
func (k *keeper) Write(data []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	room := min(len(data), k.limit-len(k.kept))
	k.kept = append(k.kept, data[:room]...)
	k.cut = k.cut || room < len(data)
	return len(data), nil
}

func (k *keeper) read() (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return string(k.kept), k.cut
}
