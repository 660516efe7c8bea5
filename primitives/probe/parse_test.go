package probe

import (
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/icmp"

	"ctys/primitives"
)

func TestReadBanner(t *testing.T) {
	long := strings.Repeat("x", 300)
	cases := []struct {
		name  string
		input string
		want  string
		err   error
	}{
		{"OpenSSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", nil},
		{"both protocols", "SSH-1.99-Cisco-1.25\n", "SSH-1.99-Cisco-1.25", nil},
		{"lines before", "Authorized use only\r\n\r\nSSH-2.0-x\r\n", "SSH-2.0-x", nil},
		{"what follows is left alone", "SSH-2.0-x\r\n\x00\x00\x05\xdc", "SSH-2.0-x", nil},
		{"as long as may be", "SSH-2.0-" + long[:245] + "\r\n", "SSH-2.0-" + long[:245], nil},
		{"a terminal's commands", "SSH-2.0-a\x1b[2Jb\xff\r\n", "SSH-2.0-a?[2Jb?", nil},

		{"nothing", "", "", errBannerEnd},
		{"end of line only", "\n", "", errBannerEnd},
		{"no end of line", "SSH-2.0-OpenSSH", "", errBannerEnd},
		{"carriage return only", "SSH-2.0-x\r", "", errBannerEnd},
		{"cut in the middle", "SSH-", "", errBannerEnd},
		{"one byte too long", "SSH-2.0-" + long[:246] + "\r\n", "", errBannerLong},
		{"far too long", "SSH-2.0-" + long + "\r\n", "", errBannerLong},
		{"a long line before", long + "\r\nSSH-2.0-x\r\n", "", errBannerLong},
		{"endless without a line", strings.Repeat("y", 1<<20), "", errBannerLong},
		{"endless lines", strings.Repeat("hello\n", 1<<12), "", errBannerLines},
		{"the first protocol", "SSH-1.5-x\r\n", "", errBannerOld},
		{"almost the second", "SSH-2.1-x\r\n", "", errBannerOld},
		{"1.99 as a prefix", "SSH-1.999-x\r\n", "", errBannerOld},
		{"no dash after the version", "SSH-2.0\r\n", "", errBannerOld},
		{"no version", "SSH--x\r\n", "", errBannerOld},
		{"no software", "SSH-2.0-\r\n", "", errBannerShort},
		{"no software either", "SSH-1.99-\n", "", errBannerShort},
		{"small letters", "ssh-2.0-x\r\n", "", errBannerEnd},
		{"a blank before", " SSH-2.0-x\r\n", "", errBannerEnd},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "", errBannerEnd},
		{"SMTP", "220 mail ESMTP\r\n", "", errBannerEnd},
		{"zeros", "\x00\x00\x00\x00\n", "", errBannerEnd},
	}
	for _, test := range cases {
		for _, reader := range []io.Reader{strings.NewReader(test.input), iotest.OneByteReader(strings.NewReader(test.input))} {
			got, err := readBanner(reader)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("%s: %q, %v; want %q, %v", test.name, got, err, test.want, test.err)
			}
		}
	}
	boom := errors.New("boom")
	if _, err := readBanner(iotest.ErrReader(boom)); !errors.Is(err, boom) {
		t.Errorf("an error of the connection became %v", err)
	}
}

func FuzzBanner(f *testing.F) {
	f.Add("SSH-2.0-x\r\n")
	f.Add("hello\nSSH-1.99-\x1b\n")
	f.Fuzz(func(t *testing.T, input string) {
		got, err := readBanner(strings.NewReader(input))
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, "SSH-2.0-") && !strings.HasPrefix(got, "SSH-1.99-") || len(got) > maxBannerLine {
			t.Errorf("%q was taken for a banner", got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q would reach a terminal", got)
		}
	})
}

var aReply = arpPacket{
	operation: arpReply,
	senderMAC: primitives.MAC{2, 0, 0, 0, 0, 1}, senderIP: netip.MustParseAddr("10.0.0.1"),
	targetMAC: primitives.MAC{2, 0, 0, 0, 0, 2}, targetIP: netip.MustParseAddr("10.0.0.2"),
}

func TestARPFrame(t *testing.T) {
	// RFC 826, written out: who has 10.0.0.1, tell 10.0.0.2
	want := []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 0x08, 0x06,
		0, 1, 8, 0, 6, 4, 0, 1,
		2, 0, 0, 0, 0, 2, 10, 0, 0, 2,
		0, 0, 0, 0, 0, 0, 10, 0, 0, 1,
	}
	request := arpPacket{operation: arpRequest, senderMAC: aReply.targetMAC, senderIP: aReply.targetIP, targetIP: aReply.senderIP}
	if got := request.frame(); !slices.Equal(got, want) {
		t.Errorf("frame\n%x, want\n%x", got, want)
	}
	padded := append(aReply.frame(), make([]byte, 18)...)
	for _, frame := range [][]byte{aReply.frame(), padded} {
		if got, ok := parseARP(frame); !ok || got != aReply {
			t.Errorf("%v, %v from a good frame", got, ok)
		}
	}
}

func TestARPMalformed(t *testing.T) {
	good := aReply.frame()
	for n := range good {
		if _, ok := parseARP(good[:n]); ok {
			t.Errorf("a frame cut to %d bytes was taken", n)
		}
	}
	for _, n := range []int{12, 13, 14, 15, 16, 17, 18, 19} {
		bad := slices.Clone(good)
		bad[n] ^= 4
		if _, ok := parseARP(bad); ok {
			t.Errorf("a frame with byte %d turned over was taken", n)
		}
	}
}

func FuzzARP(f *testing.F) {
	f.Add(aReply.frame())
	f.Fuzz(func(t *testing.T, frame []byte) {
		if packet, ok := parseARP(frame); ok {
			if again, ok := parseARP(packet.frame()); !ok || again != packet {
				t.Errorf("%v became %v", packet, again)
			}
		}
	})
}

func TestEchoReply(t *testing.T) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	message := func(change func(*icmp.Message, *icmp.Echo)) []byte {
		echo := &icmp.Echo{ID: 1, Seq: 7, Data: slices.Clone(nonce[:])}
		m := &icmp.Message{Type: icmp4.reply, Body: echo}
		change(m, echo)
		packet, err := m.Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		return packet
	}
	good := message(func(*icmp.Message, *icmp.Echo) {})
	if seq, ok := echoReply(good, icmp4, nonce); !ok || seq != 7 {
		t.Errorf("%d, %v from a good reply", seq, ok)
	}
	for name, packet := range map[string][]byte{
		"a request":          message(func(m *icmp.Message, _ *icmp.Echo) { m.Type = icmp4.request }),
		"a code":             message(func(m *icmp.Message, _ *icmp.Echo) { m.Code = 1 }),
		"another's":          message(func(_ *icmp.Message, e *icmp.Echo) { e.Data[3] ^= 1 }),
		"no data":            message(func(_ *icmp.Message, e *icmp.Echo) { e.Data = nil }),
		"more data":          message(func(_ *icmp.Message, e *icmp.Echo) { e.Data = append(e.Data, 0) }),
		"nothing":            nil,
		"one byte":           {0},
		"header only":        {0, 0, 0, 0},
		"unknown type":       {99, 0, 0, 0, 1, 2, 3, 4},
		"unreachable, short": {3, 1, 0, 0},
	} {
		if _, ok := echoReply(packet, icmp4, nonce); ok {
			t.Errorf("%s was taken for a reply", name)
		}
	}
	for n := range good {
		if _, ok := echoReply(good[:n], icmp4, nonce); ok {
			t.Errorf("a reply cut to %d bytes was taken", n)
		}
	}
}

func FuzzEchoReply(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 1}, true)
	f.Add([]byte{3, 1, 0, 0, 0, 0, 0, 0, 0x45}, true)
	f.Add([]byte{129, 0, 0, 0, 0, 1, 0, 1}, false)
	f.Fuzz(func(t *testing.T, packet []byte, four bool) {
		protocol := icmp6
		if four {
			protocol = icmp4
		}
		if _, ok := echoReply(packet, protocol, [16]byte{}); ok && len(packet) < 24 {
			t.Error("a reply without our data was taken")
		}
	})
}
