package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"
)

// accepting keeps the goroutines of this process apart; the lock on the file
// does so for processes.
var accepting sync.Mutex

// accept notes the key of a host that is seen for the first time. Somebody
// else may have noted one in the meantime: the files are read once more, under
// a lock, and a different key is refused.
func (s *settings) accept(key ssh.PublicKey) error {
	if len(s.knownHosts) == 0 {
		return errors.New("there is no known_hosts file to note it in (UserKnownHostsFile is none)")
	}
	accepting.Lock()
	defer accepting.Unlock()
	path := s.knownHosts[0]
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("it cannot be noted: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("it cannot be noted: %w", err)
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("it cannot be noted: locking %s: %w", path, err)
	}
	keys, err := loadHostKeys(s.knownHosts)
	if err != nil {
		return err
	}
	problem := keys.verify(s.hostAddresses(), key)
	if problem == nil {
		return nil
	}
	if problem.Problem != HostKeyUnknown {
		return problem
	}
	if err := appendLine(file, s.knownLine(key)); err != nil {
		return fmt.Errorf("it cannot be noted: %w", err)
	}
	return nil
}

func (s *settings) knownLine(key ssh.PublicKey) string {
	name := s.keyName()
	if s.hashNames {
		name = knownhosts.HashHostname(name)
	}
	return name + " " + string(ssh.MarshalAuthorizedKey(key))
}

// appendLine writes a whole line at once, on a line of its own.
func appendLine(file *os.File, line string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = file.WriteString(line)
	return err
}
