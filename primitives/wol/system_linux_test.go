package wol

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// Kernels before 5.7 let only root set SO_BINDTODEVICE.
func refuseToBind(syscall.RawConn, string) error {
	return os.NewSyscallError("setsockopt", unix.EPERM)
}

func TestBindsToAnAddressWhereTheKernelRefusesTheDevice(t *testing.T) {
	conn, port := listen(t, "127.0.0.1")
	client := &Client{system: linux{bindToDevice: refuseToBind}}
	if _, err := client.Send(t.Context(), Request{MAC: someMAC, Address: "127.0.0.1", Port: port, Interface: "lo"}); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, conn); len(got) != 102 {
		t.Fatalf("%d bytes arrived", len(got))
	}
}

func TestRawErrors(t *testing.T) {
	for errno, want := range map[unix.Errno]primitives.Kind{
		unix.EPERM:        primitives.Denied,
		unix.EACCES:       primitives.Denied,
		unix.ENETDOWN:     primitives.Unreachable,
		unix.ENODEV:       primitives.Unreachable,
		unix.EAFNOSUPPORT: primitives.Unsupported,
	} {
		err := rawError("eth7", os.NewSyscallError("socket", errno))
		if primitives.KindOf(err) != want {
			t.Errorf("%v: kind %s, want %s", errno, primitives.KindOf(err), want)
		}
		if want == primitives.Denied && !strings.Contains(err.Error(), "setcap cap_net_raw+ep $(command -v ctys)") {
			t.Errorf("the way out is not named: %v", err)
		}
	}
}
