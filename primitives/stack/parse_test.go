package stack

import (
	"reflect"
	"strings"
	"testing"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
)

func TestParseURI(t *testing.T) {
	for text, wanted := range map[string]target{
		"qemu:///system":                        {driver: "qemu", path: "/system"},
		"qemu:///session":                       {driver: "qemu", path: "/session"},
		"qemu:///system?socket=/tmp/x/sock":     {driver: "qemu", path: "/system", socket: "/tmp/x/sock"},
		"qemu+unix:///system":                   {driver: "qemu", path: "/system"},
		"qemu+ssh://lab01/system":               {driver: "qemu", path: "/system", host: "lab01"},
		"qemu+ssh://root@lab01:2222/system":     {driver: "qemu", path: "/system", host: "root@lab01:2222"},
		"qemu+ssh://root@[2001:db8::1]/system":  {driver: "qemu", path: "/system", host: "root@[2001:db8::1]"},
		"qemu+ssh://lab01/system?socket=/tmp/x": {driver: "qemu", path: "/system", host: "lab01", socket: "/tmp/x"},
		"lxc:///system":                         {driver: "lxc", path: "/system"},
		"lxc:///":                               {driver: "lxc", path: "/system"},
		"test:///default":                       {driver: "test", path: "/default"},
		"test:///default?socket=%2Ftmp%2Fx":     {driver: "test", path: "/default", socket: "/tmp/x"},
		"xen:///system":                         {driver: "xen", path: "/system"},
		"xen:///":                               {driver: "xen", path: "/system"},
		"xen+ssh://lab01/":                      {driver: "xen", path: "/system", host: "lab01"},
	} {
		if got, err := parseURI(text); err != nil || got != wanted {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "qemu", "qemu:", "qemu://", "qemu:///", "qemu:///System", "qemu://lab01/system", "qemu+tcp://lab01/system",
		"qemu+ssh:///system", "qemu+ssh://root:secret@lab01/system", "qemu+ssh://-oProxyCommand=x/system",
		"qemu:///system?socket=", "qemu:///system?socket=x", "qemu:///system?no_verify=1", "qemu:///system?socket=/a&socket=/b",
		"qemu:///system#x", "esx://lab01/", "xen:///system?socket=/x", "lxc:///session", "test:///", "qemu:system",
	} {
		if got, err := parseURI(text); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
}

func TestErrorsOfURIsHoldNoPassword(t *testing.T) {
	_, err := parseURI("qemu+ssh://root:geheim@lab01/system")
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("the error is %v", err)
	}
}

func TestNameForTheDaemon(t *testing.T) {
	to, err := parseURI("qemu+ssh://root@lab01/system?socket=/x")
	if err != nil || to.name() != "qemu:///system" {
		t.Errorf("the daemon is told %q, %v", to.name(), err)
	}
}

func TestStates(t *testing.T) {
	for _, test := range []struct {
		state  libvirt.DomainState
		reason int32
		saved  bool
		wanted State
	}{
		{libvirt.DomainNostate, 0, false, Unknown},
		{libvirt.DomainRunning, 0, false, Running},
		{libvirt.DomainBlocked, 0, false, Running},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedUser), false, Paused},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedIoerror), false, Paused},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedMigration), false, Unknown},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedPostcopy), false, Unknown},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedPostcopyFailed), false, Unknown},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedShuttingDown), false, ShuttingDown},
		{libvirt.DomainPaused, int32(libvirt.DomainPausedCrashed), false, Crashed},
		{libvirt.DomainShutdown, 0, false, ShuttingDown},
		{libvirt.DomainShutoff, int32(libvirt.DomainShutoffShutdown), false, Off},
		{libvirt.DomainShutoff, int32(libvirt.DomainShutoffCrashed), false, Off},
		{libvirt.DomainShutoff, int32(libvirt.DomainShutoffSaved), true, Saved},
		{libvirt.DomainCrashed, 0, false, Crashed},
		{libvirt.DomainPmsuspended, 0, false, Suspended},
		{8, 0, false, Unknown},
		{-1, 0, true, Unknown},
	} {
		got, cause := stateOf(int32(test.state), test.reason, test.saved)
		if got != test.wanted || (got == Unknown) != (cause != "") {
			t.Errorf("state %d, reason %d is %s (%q), wanted %s", test.state, test.reason, got, cause, test.wanted)
		}
	}
}

func TestParseDomain(t *testing.T) {
	got, err := parseDomain(`<domain type='kvm' id='3'><name>a</name><devices>
<interface type='bridge'><mac address='52:54:00:12:34:56'/></interface>
<interface type='bridge'><mac address='nonsense'/></interface>
<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0' state='connected'/></channel>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/></channel>
</devices></domain>`)
	if err != nil || got.kind != "kvm" || got.agent || len(got.macs) != 1 || got.macs[0].String() != "52:54:00:12:34:56" {
		t.Errorf("read as %+v, %v", got, err)
	}
	if _, err := parseDomain("<network/>"); err == nil {
		t.Error("a network is taken for a domain")
	}
}

func TestKindsOfAnswers(t *testing.T) {
	for _, test := range []struct {
		number libvirt.ErrorNumber
		text   string
		wanted primitives.Kind
	}{
		{libvirt.ErrNoDomain, "Domain not found", primitives.Invalid},
		{libvirt.ErrOperationInvalid, "domain is not running", primitives.Invalid},
		{libvirt.ErrAuthUnavailable, "no polkit agent", primitives.Denied},
		{libvirt.ErrAgentUnresponsive, "QEMU guest agent is not connected", primitives.Unsupported},
		{libvirt.ErrAgentUnresponsive, "Guest agent not available for now", primitives.Timeout},
		{libvirt.ErrOperationTimeout, "cannot acquire state change lock", primitives.Busy},
		{libvirt.ErrArgumentUnsupported, "QEMU guest agent is not configured", primitives.Unsupported},
		{libvirt.ErrInternalError, "out of luck", primitives.Internal},
	} {
		err := hypervisorError("stack.x", "qemu:///system", "guest x", libvirt.Error{Code: uint32(test.number), Message: test.text})
		if got := primitives.KindOf(err); got != test.wanted {
			t.Errorf("%d %q is of kind %s, wanted %s", test.number, test.text, got, test.wanted)
		}
	}
}

const xlTable = `Name                                        ID   Mem VCPUs	State	Time(s)   UUID                            Reason-Code	Security Label
Domain-0                                     0  1536     1     r-----      40.9 00000000-0000-0000-0000-000000000000        -                -
tst100                                       1   192     1     -b----       2.5 77000000-0000-4000-8000-525400770101        -                -
two words                                    2   192     1     --ps--       2.5 77000000-0000-4000-8000-525400770102        0                -
ready                                        3   192     1     ------       2.5 77000000-0000-4000-8000-525400770103        -                -
`

func TestParseXLList(t *testing.T) {
	domains, err := parseXLList(xlTable)
	if err != nil {
		t.Fatal(err)
	}
	wanted := []xlDomain{
		{0, "Domain-0", "00000000-0000-0000-0000-000000000000", Running, ""},
		{1, "tst100", "77000000-0000-4000-8000-525400770101", Running, ""},
		{2, "two words", "77000000-0000-4000-8000-525400770102", ShuttingDown, ""},
		{3, "ready", "77000000-0000-4000-8000-525400770103", Running, ""},
	}
	if !reflect.DeepEqual(domains, wanted) {
		t.Errorf("read as %+v", domains)
	}
	for what, text := range map[string]string{
		"nothing":          "",
		"no heading":       "Domain-0 0 1536 1 r----- 40.9\n",
		"no Domain-0":      strings.Replace(xlTable, " 0  1536", " 9  1536", 1),
		"a line cut short": xlTable[:len(xlTable)-120],
		"an error inside":  xlTable + "libxl: error: libxl.c:1: cannot list\n",
	} {
		if domains, err := parseXLList(text); err == nil {
			t.Errorf("%s is read as %+v", what, domains)
		}
	}
}

func TestXLStates(t *testing.T) {
	for column, wanted := range map[string]State{
		"r-----": Running, "-b----": Running, "------": Running, "--p---": Paused, "-bp---": Paused,
		"---s--": ShuttingDown, "--ps--": ShuttingDown, "-----d": ShuttingDown, "--ps-d": ShuttingDown, "---sc-": Crashed, "--psc-": Crashed, "---scd": ShuttingDown,
		"---sr-": ShuttingDown, "---ss-": ShuttingDown, "---sw-": ShuttingDown, "--psS-": ShuttingDown, "---s?-": Unknown,
		"": Unknown, "r----": Unknown, "r-----x": Unknown, "-r----": Unknown, "x-----": Unknown,
	} {
		if got, cause := xlState(column); got != wanted || (got == Unknown) != (cause != "") {
			t.Errorf("%q is %s (%q), wanted %s", column, got, cause, wanted)
		}
	}
}

func FuzzXLList(f *testing.F) {
	f.Add(xlTable)
	f.Add("Name ID\n")
	f.Fuzz(func(t *testing.T, text string) {
		domains, err := parseXLList(text)
		if err == nil && len(domains) == 0 {
			t.Error("no domains and no error")
		}
	})
}

func FuzzXLConfig(f *testing.F) {
	f.Add(xlJSON)
	f.Add("[]")
	f.Fuzz(func(t *testing.T, text string) {
		configs, _ := parseXLConfig(text)
		for _, config := range configs {
			if _, err := parseUUID(config.uuid); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzDomain(f *testing.F) {
	f.Add("<domain type='kvm'><devices><interface><mac address='52:54:00:12:34:56'/></interface></devices></domain>")
	f.Fuzz(func(t *testing.T, text string) { _, _ = parseDomain(text) })
}

func FuzzURI(f *testing.F) {
	for _, seed := range []string{"qemu:///system", "qemu+ssh://root@lab01:22/system?socket=/x", "xen+ssh://lab01/", "test:///default"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		to, err := parseURI(text)
		if err != nil {
			return
		}
		if again, err := parseURI(to.name()); err != nil || again.driver != to.driver || again.path != to.path {
			t.Errorf("%q is told as %q, which is %+v, %v", text, to.name(), again, err)
		}
	})
}

func FuzzSurvey(f *testing.F) {
	f.Add("socket libvirt-sock\nend\n")
	f.Fuzz(func(t *testing.T, text string) { _, _ = parseSurvey(text) })
}
