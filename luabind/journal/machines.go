package journal

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ctys/primitives"
)

// Machines is a folder of what a desk keeps of machines from one run to the
// next, one file each: a machine that is off can tell nothing of itself.
type Machines struct {
	Dir   string // made when something is kept
	Clock primitives.Clock
}

// MachinesDir gives the folder that a desk keeps machines in, beside that of
// StateDir: $XDG_STATE_HOME/ctys/machines, and so on. It is not made. The error
// is primitives.Denied where there is no place for it.
func MachinesDir() (string, error) {
	base := stateBase()
	if base == "" {
		return "", primitives.Errorf(primitives.Denied, "machines.dir", "", "there is no place to keep machines in: set HOME or XDG_STATE_HOME")
	}
	return filepath.Join(base, "machines"), nil
}

const (
	machinesVersion = 1
	// maxMachine bounds a file: what ran on a machine with a hundred thousand
	// guests fits in.
	maxMachine = 32 << 20
	// maxFileName is what file systems take (pathconf(3), _PC_NAME_MAX), less the
	// extension and room for the name of the file beside.
	maxFileName = 240
)

// machineFile is one file.
type machineFile struct {
	Version int            `json:"version"`
	Machine string         `json:"machine"`
	KeptAt  time.Time      `json:"kept_at"`
	Record  map[string]any `json:"record"`
}

// Keep puts a record of a machine in place of an earlier one. It is on disk,
// readable by its owner alone, when Keep returns. Errors: Invalid for a name
// that no machine has, Internal where the file cannot be written.
func (m *Machines) Keep(machine string, record map[string]any) error {
	const op = "machines.keep"
	path, err := m.path(op, machine)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(machineFile{machinesVersion, machine, m.Clock.Now().UTC(), record}, "", "  ")
	if err == nil && len(text) > maxMachine {
		err = primitives.Errorf(primitives.Invalid, op, machine, "the record has %d bytes, and at most %d are kept", len(text), maxMachine)
	}
	if err != nil {
		return primitives.Wrap(op, machine, "what is to be kept cannot be written down", err)
	}
	if err := os.MkdirAll(m.Dir, folderMode); err != nil {
		return primitives.Wrap(op, machine, "the folder of machines cannot be made", err)
	}
	err = replaceFile(path, append(text, '\n'))
	if err == nil {
		err = syncFolder(m.Dir)
	}
	return primitives.Wrap(op, machine, path+" cannot be written", err)
}

// Kept gives the record that was kept last, and when; nil where there is none.
// A file that is damaged, or of a later version, is Invalid, and names it.
func (m *Machines) Kept(machine string) (record map[string]any, at time.Time, err error) {
	const op = "machines.kept"
	path, err := m.path(op, machine)
	if err != nil {
		return nil, time.Time{}, nil // nothing was ever kept under it
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err == nil && info.Size() > maxMachine+1 {
		return nil, time.Time{}, damaged(op, machine, path, errors.New("it is too long"))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, time.Time{}, primitives.Wrap(op, machine, path+" cannot be read", err)
	}
	file, err := parseMachine(text, machine)
	if err != nil {
		return nil, time.Time{}, damaged(op, machine, path, err)
	}
	return file.Record, file.KeptAt, nil
}

func damaged(op, machine, path string, why error) error {
	return &primitives.Error{Kind: primitives.Invalid, Op: op, Host: machine, Message: path + " is damaged, and is as good as not there", Cause: why}
}

// parseMachine reads a file that may hold anything.
func parseMachine(text []byte, machine string) (machineFile, error) {
	var file machineFile
	if err := json.Unmarshal(text, &file); err != nil {
		return file, err
	}
	switch {
	case file.Version != machinesVersion:
		return file, primitives.Errorf(primitives.Invalid, "machines.kept", machine, "its version is %d, and this program reads %d", file.Version, machinesVersion)
	case file.Machine != machine:
		return file, primitives.Errorf(primitives.Invalid, "machines.kept", machine, "it is of %q", file.Machine)
	case file.Record == nil:
		return file, primitives.Errorf(primitives.Invalid, "machines.kept", machine, "it has no record")
	}
	return file, nil
}

// path is the file of a machine. A name may be whatever an operator has typed,
// and a machine far away may not choose a file: all bytes but letters, digits,
// "-", "_" and dots that do not stand first are written as %XX, so no name leads
// out of the folder and no two names mean one file.
func (m *Machines) path(op, machine string) (string, error) {
	name := fileName(machine)
	if name == "" || len(name) > maxFileName {
		return "", primitives.Errorf(primitives.Invalid, op, machine, "%d bytes are no name of a machine", len(machine))
	}
	return filepath.Join(m.Dir, name+".json"), nil
}

func fileName(machine string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(machine) {
		c := machine[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
