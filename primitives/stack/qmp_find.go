package stack

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"ctys/primitives"
)

// qemuWords are what the command lines of QEMUs have, written so that it does
// not find itself.
const qemuWords = "qemu[-]system-|qemu[-]kvm|(^|/)kv[m]"

// qemuSurvey prints the QEMU processes of a host: a line each with its number,
// its start time (clock ticks since boot) and its arguments in hexadecimal, since
// an argument may hold any byte. It sees all processes only where it sees the
// first one, which hidepid hides (proc_pid_stat(5), proc(5)). A process that is
// there and whose arguments it cannot read is told as "unread".
const qemuSurvey = `test -r /proc/1/stat || { echo hidden; exit 0; }
for f in $(grep -lE '` + qemuWords + `' /proc/[0-9]*/cmdline 2>/dev/null); do
  d=${f%/cmdline}
  t=$(sed 's/^.*) //' $d/stat 2>/dev/null | cut -d' ' -f20)
  a=$(od -An -v -tx1 $f 2>/dev/null | tr -d ' \n')
  if test -z "$a" && grep -qE '` + qemuWords + `' $f 2>/dev/null; then echo "unread ${d#/proc/}"; fi
  echo "process ${d#/proc/} ${t:--} ${a:--}"
done
echo end`

// qemuProcess is a QEMU that somebody has started without libvirt.
type qemuProcess struct {
	pid    string
	start  string // in clock ticks since boot
	name   string
	uuid   string // of its arguments, else made of its socket or its process
	socket string // of its monitor in control mode; empty where it has none
	macs   []primitives.MAC

	names   []string // that its arguments give it; by these its monitor is known
	uuids   []string
	session bool // it is of a user's libvirt (qemu:///session), which nobody here lists
}

// parseQEMUSurvey reads what the survey printed. Programs that are no QEMU, and
// the QEMUs of libvirt, which hands them their monitors as open descriptors, are
// left out.
func parseQEMUSurvey(text string) ([]qemuProcess, error) {
	var found []qemuProcess
	complete := false
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && words[0] == "end":
			complete = true
		case len(words) == 1 && words[0] == "hidden":
			return nil, primitives.Errorf(primitives.Denied, "", "", "this account does not see the processes of others there (hidepid of /proc)")
		case len(words) == 2 && words[0] == "unread":
			return nil, fmt.Errorf("the arguments of process %s, a QEMU by its looks, cannot be read (is the program od there?)", words[1])
		case len(words) == 4 && words[0] == "process":
			process, ok := readQEMU(words[1], words[2], words[3])
			if ok {
				found = append(found, process)
			}
		}
	}
	if !complete {
		return nil, fmt.Errorf("the host's shell did not finish: %q", text)
	}
	return found, nil
}

// readQEMU reads the arguments of one process; false for one that is no QEMU of
// ours, or that has ended while it was read.
func readQEMU(pid, start, encoded string) (qemuProcess, bool) {
	raw, err := hex.DecodeString(encoded)
	if err != nil {
		return qemuProcess{}, false
	}
	argv := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	if !isQEMU(argv[0]) || isLibvirts(argv) && !isSession(argv) || isXens(argv) {
		return qemuProcess{}, false
	}
	process := qemuProcess{pid: pid, start: start, names: qemuNames(argv), uuids: qemuUUIDs(argv), socket: monitorSocket(argv), macs: qemuMACs(argv),
		session: isSession(argv)}
	if len(process.names) > 0 {
		process.name = process.names[0]
	}
	process.uuid = process.identity()
	if process.name == "" {
		process.name = "qemu-" + pid
	}
	return process, true
}

func isQEMU(program string) bool {
	base := path.Base(program)
	return strings.HasPrefix(base, "qemu-system-") || base == "qemu-kvm" || base == "kvm"
}

// values are the values of an option, which QEMU takes with one dash or two.
func values(argv []string, name string) []string {
	var found []string
	for i := 1; i+1 < len(argv); i++ {
		if argv[i] == "-"+name || argv[i] == "--"+name {
			found = append(found, argv[i+1])
		}
	}
	return found
}

// fields splits a value of QEMU's command line at its commas; two are one that
// belongs to the text (qemu-options, "Dealing with commas").
func fields(value string) []string {
	parts := strings.Split(strings.ReplaceAll(value, ",,", "\x00"), ",")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", ",")
	}
	return parts
}

// option is the part of a value that has a key.
func option(value, key string) string {
	for _, field := range fields(value) {
		if text, ok := strings.CutPrefix(field, key+"="); ok {
			return text
		}
	}
	return ""
}

func qemuNames(argv []string) (names []string) {
	for _, value := range values(argv, "name") {
		if name := option(value, "guest"); name != "" {
			names = append(names, name)
		} else if first := fields(value)[0]; first != "" && !strings.Contains(first, "=") {
			names = append(names, first)
		}
	}
	return names
}

// monitorSocket is the path of the first monitor in control mode: -qmp, or a
// -mon of that mode on a character device.
func monitorSocket(argv []string) string {
	for _, name := range []string{"qmp", "qmp-pretty"} {
		for _, value := range values(argv, name) {
			if rest, ok := strings.CutPrefix(fields(value)[0], "unix:"); ok {
				return rest
			}
			if device, ok := strings.CutPrefix(fields(value)[0], "chardev:"); ok {
				return deviceSocket(argv, device)
			}
		}
	}
	for _, value := range values(argv, "mon") {
		if option(value, "mode") != "control" {
			continue
		}
		device := option(value, "chardev")
		if first := fields(value)[0]; device == "" && !strings.Contains(first, "=") {
			device = first
		}
		if socket := deviceSocket(argv, device); socket != "" {
			return socket
		}
	}
	return ""
}

func deviceSocket(argv []string, id string) string {
	for _, value := range values(argv, "chardev") {
		if option(value, "id") == id && fields(value)[0] == "socket" {
			return option(value, "path")
		}
	}
	return ""
}

func qemuMACs(argv []string) []primitives.MAC {
	var macs []primitives.MAC
	for _, name := range []string{"device", "nic", "net"} {
		for _, value := range values(argv, name) {
			for _, key := range []string{"mac", "macaddr"} {
				if mac, err := primitives.ParseMAC(option(value, key)); err == nil && !slices.Contains(macs, mac) {
					macs = append(macs, mac)
				}
			}
		}
	}
	return macs
}

// qemuUUIDs are those that a command line gives its guest, also by the SMBIOS
// table that it hands to it.
func qemuUUIDs(argv []string) (uuids []string) {
	given := values(argv, "uuid")
	for _, value := range values(argv, "smbios") {
		given = append(given, option(value, "uuid"))
	}
	for _, text := range given {
		if id, err := parseUUID(text); err == nil {
			uuids = append(uuids, id.String())
		}
	}
	return uuids
}

// identity is the guest's own UUID, where its command line gives it one; else one
// made of its socket (RFC 9562, version 5), which the next start has again, or
// of its process.
func (p qemuProcess) identity() string {
	if len(p.uuids) > 0 {
		return p.uuids[0]
	}
	of := "qmp:" + p.socket
	if p.socket == "" {
		of = "process:" + p.pid + " " + p.start
	}
	digest := sha1.Sum([]byte("ctys " + of))
	var id uuid
	copy(id[:], digest[:])
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return id.String()
}

// processes finds the QEMUs of the host.
func (q *qemu) processes(ctx context.Context) ([]qemuProcess, error) {
	out, err := q.client.run(ctx, q.host, []string{"sh", "-c", qemuSurvey})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	found, err := parseQEMUSurvey(out)
	if q.host == "" {
		found = slices.DeleteFunc(found, qemuProcess.isProxmoxs)
	}
	return found, err
}

// find gives the process of a guest. Where two have one UUID, nobody can tell
// which is meant.
func (q *qemu) find(ctx context.Context, id string) (qemuProcess, error) {
	all, err := q.processes(ctx)
	if err != nil {
		return qemuProcess{}, err
	}
	var found []qemuProcess
	for _, process := range all {
		if process.uuid == id {
			found = append(found, process)
		}
	}
	switch len(found) {
	case 0:
		return qemuProcess{}, errAbsent
	case 1:
		return found[0], nil
	}
	return qemuProcess{}, primitives.Errorf(primitives.Invalid, "", "", "%d QEMU processes have that UUID: %s and %s", len(found), found[0].pid, found[1].pid)
}
