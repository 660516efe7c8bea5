package ipmi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// memory keeps the cipher suite that each BMC took in a file, so that the next
// process need not find it out. It is only a hint: a suite that is not among
// the preferred is not believed, one that a BMC takes no more is replaced, and
// a file that cannot be read or written is as good as none.
//
// The file has a line "17 192.0.2.7:623" for each BMC. It is replaced as a
// whole, when the last of several calls ends, at most once every writeInterval,
// and at the end; what another process has learnt meanwhile is kept.
type memory struct {
	clock  primitives.Clock
	folder string

	mu      sync.Mutex
	calls   int // that are made now
	loaded  bool
	known   map[string]types.CipherSuiteID
	learnt  map[string]types.CipherSuiteID // and not yet in the file
	written time.Time
}

const (
	memoryFile    = "ipmi-suites"
	maxMemory     = 8 << 20 // bytes of the file that are read
	writeInterval = time.Second
)

// enter says that a call begins, leave that it has ended.
func (m *memory) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
}

func (m *memory) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls--
	if m.calls > 0 || len(m.learnt) == 0 {
		return
	}
	if now := m.clock.Now(); now.Sub(m.written) >= writeInterval {
		m.written = now
		m.write()
	}
}

// flush writes what was learnt since the last time.
func (m *memory) flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.learnt) > 0 {
		m.write()
	}
}

// suite is what is known of a BMC.
func (m *memory) suite(address string) (types.CipherSuiteID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	suite, ok := m.known[address]
	return suite, ok
}

// keep remembers the suite that a BMC took.
func (m *memory) keep(address string, suite types.CipherSuiteID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	if m.folder == "" || m.known[address] == suite {
		return
	}
	m.known[address] = suite
	if m.learnt == nil {
		m.learnt = map[string]types.CipherSuiteID{}
	}
	m.learnt[address] = suite
}

func (m *memory) load() {
	if m.loaded {
		return
	}
	m.loaded = true
	m.known = m.read()
}

func (m *memory) read() map[string]types.CipherSuiteID {
	if m.folder == "" {
		return map[string]types.CipherSuiteID{}
	}
	file, err := os.Open(filepath.Join(m.folder, memoryFile))
	if err != nil {
		return map[string]types.CipherSuiteID{}
	}
	defer file.Close()
	return parseMemory(io.LimitReader(file, maxMemory))
}

// parseMemory reads the file; what is no line of it is passed over.
func parseMemory(r io.Reader) map[string]types.CipherSuiteID {
	known := map[string]types.CipherSuiteID{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		number, address, ok := strings.Cut(lines.Text(), " ")
		suite, err := strconv.ParseUint(number, 10, 8)
		if ok && err == nil && slices.Contains(preferred, types.CipherSuiteID(suite)) {
			known[address] = types.CipherSuiteID(suite)
		}
	}
	return known
}

// write replaces the file by what it holds now and what was learnt since. The
// temporary name is the process's own.
func (m *memory) write() {
	all := m.read()
	maps.Copy(all, m.learnt)
	var text bytes.Buffer
	for _, address := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%d %s\n", all[address], address)
	}
	if text.Len() > maxMemory || os.MkdirAll(m.folder, 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(m.folder, memoryFile+".*")
	if err != nil {
		return
	}
	_, err = temporary.Write(text.Bytes())
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temporary.Name(), filepath.Join(m.folder, memoryFile))
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
		return
	}
	m.learnt = nil
}
