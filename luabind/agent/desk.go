package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/exec"
	"ctys/primitives/remote"
)

// DeskOptions are what a Desk works with. Only Remote is required.
type DeskOptions struct {
	Remote    *remote.Client
	Clock     primitives.Clock     // nil: the system's
	Inventory *inventory.Inventory // nil: empty
	// Version is that of this program: an agent of another one is not used.
	Version string
	// Executable opens this program, and tells its size and the SHA-256 of its
	// bytes in hexadecimal; nil: the file of this process. It is asked for
	// where a machine has no program of this version.
	Executable func() (program io.ReadCloser, size int64, sum string, err error)
	// Machines is where what agents ask to be kept of their machines goes; nil:
	// nowhere, and no receipt is given for it.
	Machines *journal.Machines
	// IPMI carries out what agents ask of BMCs; nil: none can be asked.
	IPMI luabind.IPMI
	// Local runs the programs of this machine for Command; nil: package exec.
	Local luabind.Exec
	// Stdin and Stdout are the operator's terminal for Console; nil: this
	// process's.
	Stdin          *os.File
	Stdout, Stderr *os.File
}

// Desk reaches other machines with the operator's keys. It implements
// luabind.Relocator, and Remote gives its luabind.Remote. It is safe for concurrent use; Close
// ends its connections.
type Desk struct {
	options DeskOptions
	clock   primitives.Clock
	open    func(ctx context.Context, machine luabind.Machine, argv ...string) (*channel, error)

	mu       sync.Mutex
	links    map[string]*link
	programs map[string]string // by link: what to call there to get an agent
	closed   bool
}

// NewDesk makes a Desk. It contacts nothing.
func NewDesk(options DeskOptions) *Desk {
	if options.Clock == nil {
		options.Clock = primitives.SystemClock{}
	}
	if options.Inventory == nil {
		options.Inventory = inventory.Empty()
	}
	if options.Executable == nil {
		options.Executable = ownProgram
	}
	if options.Local == nil {
		options.Local = exec.New(options.Clock)
	}
	if options.Stdin == nil {
		options.Stdin = os.Stdin
	}
	if options.Stdout == nil {
		options.Stdout = os.Stdout
	}
	if options.Stderr == nil {
		options.Stderr = os.Stderr
	}
	d := &Desk{options: options, clock: options.Clock, links: map[string]*link{}, programs: map[string]string{}}
	d.open = d.openOverSSH
	return d
}

// ownProgram opens the file of this process, also where it was replaced since
// (proc(5), /proc/pid/exe); elsewhere than on Linux by its name.
func ownProgram() (io.ReadCloser, int64, string, error) {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		var path string
		if path, err = os.Executable(); err == nil {
			file, err = os.Open(path)
		}
	}
	if err != nil {
		return nil, 0, "", err
	}
	digest := sha256.New()
	size, err := io.Copy(digest, file)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, 0, "", err
	}
	return file, size, hex.EncodeToString(digest.Sum(nil)), nil
}
