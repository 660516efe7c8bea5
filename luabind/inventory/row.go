package inventory

import (
	"math"
	"path/filepath"
	"time"

	"ctys/primitives"
)

// maxDeadline is a week: a longer one is a slip of the unit.
const maxDeadline = 7 * 24 * 3600

// What a row may count up to: more is a slip.
const (
	maxStage = 1000
	maxLimit = 100_000
)

// ways are the steps of the ladder that a guest is taken down by.
var ways = []string{"inside", "agent", "hypervisor"}

var (
	rowKeys = []string{
		"address", "mac", "uuid", "parent", "hypervisors", "become",
		"user", "identity", "port", "password", "bmc", "label", "path",
		"deadline", "at_deadline", "after", "stage", "way", "limit", "limit_per_hypervisor", "broadcast", "broadcast_port", "interface",
	}
	bmcKeys = []string{"host", "port", "user", "password", "via"}
)

// becomes are the ways to more rights. Ways that ask for a password are none.
var becomes = []string{"none", "sudo", "doas", "ksu"}

// decodeRow reads one machine. The fields stay with it for later errors.
func decodeRow(src source, name string, from *table) (*Row, *fields) {
	f := start(src, name, from, rowKeys)
	row := &Row{
		Machine: primitives.Machine{
			Name:        name,
			Address:     f.host("address"),
			MAC:         f.mac("mac"),
			UUID:        f.uuid("uuid"),
			Parent:      f.text("parent"),
			Hypervisors: f.texts("hypervisors"),
			Become:      f.choice("become", becomes...),
		},
		Line:          from.line,
		User:          f.text("user"),
		Identity:      f.text("identity"),
		Port:          f.port("port"),
		Password:      f.secret("password"),
		BMC:           f.bmc("bmc"),
		Label:         f.text("label"),
		Path:          f.absolute("path"),
		Deadline:      f.seconds("deadline"),
		AtDeadline:    f.choice("at_deadline", "destroy", "stop"),
		After:         f.texts("after"),
		Stage:         f.count("stage", maxStage),
		Way:           f.words("way", ways...),
		Limit:         f.count("limit", maxLimit),
		Broadcast:     f.host("broadcast"),
		BroadcastPort: f.port("broadcast_port"),
		Interface:     f.text("interface"),

		LimitPerHypervisor: f.count("limit_per_hypervisor", maxLimit),

		Extra: f.extra(),
	}
	if row.Become == "" {
		row.Become = "none"
	}
	return row, f
}

func (f *fields) bmc(key string) *BMC {
	from := f.inner(key)
	if from == nil {
		return nil
	}
	inner := start(f.src, f.what+"."+key, from, bmcKeys)
	bmc := &BMC{
		Host:     inner.host("host"),
		Port:     inner.port("port"),
		User:     inner.text("user"),
		Password: inner.secret("password"),
		Via:      inner.text("via"),
		Extra:    inner.extra(),
	}
	if inner.err == nil && bmc.Host == "" {
		inner.fail(from.line, "host is missing: the address of the BMC")
	}
	f.err = inner.err
	return bmc
}

func (f *fields) host(key string) string {
	s := f.text(key)
	if s == "" {
		return ""
	}
	if why := hostFault(s); why != "" {
		f.fail(f.line(key), "%s %s is no address: %s (%s)", key, quoted(s), why, acceptedHost)
	}
	return s
}

func (f *fields) mac(key string) primitives.MAC {
	s := f.text(key)
	if s == "" {
		return primitives.MAC{}
	}
	mac, err := primitives.ParseMAC(s)
	switch {
	case err != nil:
		f.fail(f.line(key), "%s %v", key, err)
	case mac.IsZero():
		f.fail(f.line(key), "%s %s is no MAC address: all its bytes are zero", key, quoted(s))
	case mac[0]&1 != 0:
		f.fail(f.line(key), "%s %s is a group address, not that of one interface", key, quoted(s))
	}
	return mac
}

func (f *fields) uuid(key string) string {
	s := f.text(key)
	if s == "" {
		return ""
	}
	uuid, err := parseUUID(s)
	if err != nil {
		f.fail(f.line(key), "%s %v", key, err)
	}
	return uuid
}

func (f *fields) absolute(key string) string {
	s := f.text(key)
	if s == "" {
		return ""
	}
	if !filepath.IsAbs(s) {
		f.fail(f.line(key), "%s must be an absolute path, and is %s", key, quoted(s))
	}
	return filepath.Clean(s)
}

func (f *fields) seconds(key string) time.Duration {
	n, _ := f.number(key, "seconds", 0, maxDeadline, true)
	return inSeconds(n)
}

// inSeconds rounds up, so that what is above zero stays above it.
func inSeconds(n float64) time.Duration {
	return time.Duration(math.Ceil(n * float64(time.Second)))
}
