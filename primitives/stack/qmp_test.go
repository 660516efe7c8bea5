package stack

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
)

// survey of argument vectors as qemuSurvey prints it.
func surveyOf(argvs ...[]string) string {
	var text strings.Builder
	for i, argv := range argvs {
		encoded := hex.EncodeToString([]byte(strings.Join(argv, "\x00") + "\x00"))
		text.WriteString("process " + string(rune('1'+i)) + "7 4711 " + encoded + "\n")
	}
	return text.String() + "end\n"
}

func TestQEMUArguments(t *testing.T) {
	const id = "0b1c2d3e-0000-4000-8000-00000000000a"
	for _, test := range []struct {
		name   string
		argv   string // words; "~" stands for a blank within one
		want   string // name, socket and MACs; empty: left out
		uuid   string
		hidden bool
	}{
		{name: "qmp", argv: "/usr/bin/qemu-system-x86_64 -name web1 -uuid 0B1C2D3E-0000-4000-8000-00000000000A -qmp unix:/run/web1.qmp,server=on,wait=off -nic user,mac=52:54:00:00:00:01", want: "web1 /run/web1.qmp [52:54:00:00:00:01]", uuid: id},
		{name: "name by key, comma in it", argv: "qemu-kvm -name debug-threads=on,guest=a,,b -qmp unix:/x", want: "a,b /x []"},
		{name: "mon on a chardev", argv: "kvm -id 100 -name vm100,debug-threads=on -chardev socket,id=qmp,path=/var/run/qemu-server/100.qmp,server=on,wait=off -mon chardev=qmp,mode=control -device e1000,mac=52:54:00:00:00:02,netdev=n0", want: "vm100 /var/run/qemu-server/100.qmp [52:54:00:00:00:02]"},
		{name: "mon by its first word", argv: "qemu-system-i386 -name n -chardev socket,path=/m,id=c -mon c,mode=control", want: "n /m []"},
		{name: "a monitor for people is none", argv: "qemu-system-arm -name n -chardev socket,path=/m,id=c -mon c", want: "n  []"},
		{name: "two dashes", argv: "qemu-system-arm --name n --qmp unix:/q", want: "n /q []"},
		{name: "over TCP is no socket", argv: "qemu-system-arm -name n -qmp tcp:127.0.0.1:4444", want: "n  []"},
		{name: "without a name", argv: "qemu-system-arm -qmp unix:/q", want: "qemu-17 /q []"},
		{name: "libvirt's", argv: "/usr/bin/qemu-system-x86_64 -name guest=v -chardev socket,id=charmonitor,fd=32,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control"},
		{name: "an old libvirt's", argv: "qemu-kvm -name guest=v -chardev socket,id=charmonitor,path=/var/lib/libvirt/qemu/domain-1-v/monitor.sock,server,nowait -mon chardev=charmonitor,id=monitor,mode=control"},
		{name: "a user's libvirt's", argv: "qemu-system-x86_64 -name guest=v -object {\"qom-type\":\"secret\",\"file\":\"/home/u/.config/libvirt/qemu/lib/domain-1-v/master-key.aes\"} -chardev socket,id=charmonitor,fd=32,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control", want: "v  []"},
		{name: "device model of a Xen domain", argv: "/usr/lib/xen/bin/qemu-system-i386 -xen-domid 5 -no-shutdown -chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-5,server=on,wait=off -mon chardev=libxl-cmd,mode=control -name v"},
		{name: "disks of a Xen domain", argv: "qemu-system-i386 -xen-domid 6 -chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-6,server=on,wait=off -mon chardev=libxl-cmd,mode=control -xen-attach -name v"},
		{name: "UUID by SMBIOS", argv: "kvm -name n -smbios type=1,uuid=0b1c2d3e-0000-4000-8000-00000000000a -qmp unix:/q", want: "n /q []", uuid: id},
		{name: "a shell that speaks of it", argv: "sh -c qemu-system-x86_64~-qmp~unix:/q"},
		{name: "its image tool", argv: "qemu-img convert"},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, err := parseQEMUSurvey(surveyOf(strings.Fields(test.argv)))
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if len(found) != 0 {
					t.Errorf("found %+v", found)
				}
				return
			}
			if len(found) != 1 {
				t.Fatalf("found %+v", found)
			}
			macs := make([]string, 0, 1)
			for _, mac := range found[0].macs {
				macs = append(macs, mac.String())
			}
			if got := found[0].name + " " + found[0].socket + " [" + strings.Join(macs, " ") + "]"; got != test.want {
				t.Errorf("read %q, want %q", got, test.want)
			}
			if test.uuid != "" && found[0].uuid != test.uuid {
				t.Errorf("UUID %s, want %s", found[0].uuid, test.uuid)
			}
			if _, err := parseUUID(found[0].uuid); err != nil {
				t.Error(err)
			}
		})
	}
}

// A guest without a UUID of its own has that of its socket, at each start.
func TestQEMUWithoutUUID(t *testing.T) {
	ids := map[string]string{}
	for _, socket := range []string{"/run/a.qmp", "/run/b.qmp", "/run/a.qmp"} {
		found, err := parseQEMUSurvey(surveyOf([]string{"qemu-system-x86_64", "-qmp", "unix:" + socket}))
		if err != nil || len(found) != 1 {
			t.Fatalf("%v, %v", found, err)
		}
		if before, known := ids[socket]; known && before != found[0].uuid {
			t.Errorf("%s had %s and has %s", socket, before, found[0].uuid)
		}
		ids[socket] = found[0].uuid
	}
	if ids["/run/a.qmp"] == ids["/run/b.qmp"] {
		t.Error("two sockets give one UUID")
	}
}

func TestQEMUSurveyThatTellsNothing(t *testing.T) {
	for text, kind := range map[string]primitives.Kind{"": primitives.Internal, "process 1 2 00\n": primitives.Internal, "unread 7\nprocess 7 2 -\nend\n": primitives.Internal, "hidden\n": primitives.Denied} {
		if _, err := parseQEMUSurvey(text); err == nil || primitives.KindOf(err) != kind {
			t.Errorf("%q: %v, want kind %s", text, err, kind)
		}
	}
	if found, err := parseQEMUSurvey("process 12 - -\nprocess 13 4 zz\nend\n"); err != nil || len(found) != 0 {
		t.Errorf("processes that ended meanwhile: %v, %v", found, err)
	}
}

// Every run state of QEMU, and one that it does not have yet.
func TestQEMUStates(t *testing.T) {
	for word, want := range map[string]State{
		"running": Running, "paused": Paused, "prelaunch": Paused, "debug": Paused, "io-error": Paused, "watchdog": Paused, "save-vm": Paused,
		"restore-vm": Paused, "suspended": Suspended, "shutdown": Off, "guest-panicked": Crashed, "internal-error": Crashed,
		"inmigrate": Unknown, "postmigrate": Unknown, "finish-migrate": Unknown, "colo": Unknown, "dreaming": Unknown, "": Unknown,
	} {
		guest := byHand(t, "{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": {\"name\": \"n\"}}\n{\"event\": \"RESUME\"}\n{\"return\": {\"status\": \""+word+"\"}}\n{\"return\": {\"enabled\": true}}\n")
		if guest.State != want || (want == Unknown) != (guest.Cause != "") {
			t.Errorf("%q is %s (%s), want %s", word, guest.State, guest.Cause, want)
		}
		if guest.Type != "kvm" {
			t.Errorf("%q: type %s", word, guest.Type)
		}
	}
}

// byHand is a guest whose monitor says a text, whatever it is asked, and hangs up.
func byHand(t *testing.T, says string) Guest {
	t.Helper()
	client := New(Options{
		Run: func(context.Context, string, []string) (string, error) {
			return surveyOf([]string{"qemu-system-x86_64", "-name", "n", "-qmp", "unix:/q"}), nil
		},
		Dial: func(context.Context, string, string, string) (net.Conn, error) {
			return said{Reader: strings.NewReader(says)}, nil
		},
	})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	list, err := client.List(ctx, "qmp:///system")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

// said is a connection on which everything has been said already.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(buffer []byte) (int, error) { return s.Reader.Read(buffer) }
func (said) Write(data []byte) (int, error)    { return len(data), nil }
func (said) Close() error                      { return nil }

// Monitors that hang are waited for side by side.
func TestMonitorsThatHang(t *testing.T) {
	argvs := make([][]string, 8)
	for i := range argvs {
		argvs[i] = []string{"qemu-system-x86_64", "-qmp", "unix:/q" + string(rune('a'+i))}
	}
	var all sync.WaitGroup // each greets when all were called
	all.Add(len(argvs))
	client := New(Options{
		Run: func(context.Context, string, []string) (string, error) { return surveyOf(argvs...), nil },
		Dial: func(ctx context.Context, _, _, _ string) (net.Conn, error) {
			all.Done()
			called := make(chan struct{})
			go func() { all.Wait(); close(called) }()
			select {
			case <-called:
				return said{Reader: strings.NewReader("{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": {\"status\": \"running\"}}\n{\"return\": {}}\n")}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	})
	defer client.Close()
	list, err := client.List(t.Context(), "qmp:///system")
	if err != nil || len(list) != len(argvs) {
		t.Fatalf("%v, %v", list, err)
	}
	for _, guest := range list {
		if guest.State != Running {
			t.Errorf("%s is %s (%s)", guest.UUID, guest.State, guest.Cause)
		}
	}
}

// FuzzQMP feeds what no monitor says: the guest is unknown with a cause, or in a
// state that was really told.
func FuzzQMP(f *testing.F) {
	f.Add("{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": {\"name\": \"n\"}}\n{\"return\": {\"status\": \"shutdown\"}}\n")
	f.Add("{\"QMP\": {}}\n{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n")
	f.Add("{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": []}\n")
	f.Add("\x00\n{}\n")
	f.Fuzz(func(t *testing.T, says string) {
		guest := byHand(t, says)
		if guest.State == Unknown && guest.Cause == "" {
			t.Error("unknown without a cause")
		}
		if guest.State == Off && !strings.Contains(says, "shutdown") && !strings.Contains(says, `\u`) {
			t.Errorf("%q made it off", says)
		}
	})
}

// FuzzQEMUSurvey reads what no shell prints.
func FuzzQEMUSurvey(f *testing.F) {
	f.Add(surveyOf(strings.Fields("kvm -name a -qmp unix:/q,server=on -device e1000,mac=52:54:00:00:00:02")))
	f.Add("hidden")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseQEMUSurvey(text)
		for _, process := range found {
			if _, bad := parseUUID(process.uuid); bad != nil || err != nil {
				t.Errorf("%+v, %v", process, err)
			}
		}
	})
}
