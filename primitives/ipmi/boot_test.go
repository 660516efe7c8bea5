package ipmi

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"ctys/primitives"
)

func TestParseBoot(t *testing.T) {
	cases := []struct {
		name string
		data []byte
		want Boot
	}{
		{"ipmi_sim", []byte{1, 5, 0, 0, 0, 0, 0}, Boot{Device: BootNone}},
		{"not valid, a device left behind", []byte{1, 5, 0x60, 4, 0, 0, 0}, Boot{Device: BootNone}},
		{"marked invalid", []byte{1, 0x85, 0x80, 4, 0, 0, 0}, Boot{Device: BootNone}},
		{"pxe", []byte{1, 5, 0x80, 1 << 2, 0, 0, 0}, Boot{Device: BootPXE}},
		{"disk", []byte{1, 5, 0xc0, 2 << 2, 0, 0, 0}, Boot{Device: BootDisk, Persistent: true}},
		{"safe", []byte{1, 5, 0xa0, 3 << 2, 0, 0, 0}, Boot{Device: BootSafe, UEFI: true}},
		{"diag", []byte{1, 5, 0xe0, 4 << 2, 0, 0, 0}, Boot{Device: BootDiag, Persistent: true, UEFI: true}},
		{"cdrom, and flags beside", []byte{1, 5, 0x80, 5<<2 | 0xc3, 0xff, 0, 0}, Boot{Device: BootCDROM}},
		{"bios", []byte{1, 5, 0x80, 6 << 2}, Boot{Device: BootBIOS}},
		{"remote", []byte{1, 5, 0x80, 8 << 2, 0, 0, 0}, Boot{Device: "remote cdrom"}},
		{"floppy", []byte{1, 5, 0x80, 15 << 2, 0, 0, 0}, Boot{Device: "floppy"}},
		{"reserved", []byte{1, 5, 0x80, 13 << 2, 0, 0, 0}, Boot{Device: "reserved 13"}},
	}
	for _, test := range cases {
		if got, err := parseBoot(test.data); err != nil || got != test.want {
			t.Errorf("%s: %v, %v; want %v", test.name, got, err, test.want)
		}
	}
	for _, bad := range [][]byte{nil, {1}, {1, 5}, {1, 5, 0x80}, {1, 4, 0x80, 4, 0, 0, 0}, {1, 0x80, 0x80, 4, 0, 0, 0}} {
		_, err := parseBoot(bad)
		wantFailure(t, err, primitives.Internal)
	}
}

// bootBMC keeps boot options as the specification has it.
type bootBMC struct {
	*scriptedBMC
	options map[byte][]byte
	refuses map[byte]byte // completion codes for the options that it lacks
	claimed int           // so many more times, somebody else holds them
	ignores bool          // takes flags that are not valid and keeps the old ones
	turns   bool          // keeps another device than it was told
}

func newBootBMC(t *testing.T) *bootBMC {
	b := &bootBMC{scriptedBMC: &scriptedBMC{t: t}, options: map[byte][]byte{bootFlags: {0xc0, 0xff, 0xff, 0xff, 0xff}, bootSetInProgress: {0}},
		refuses: map[byte]byte{}}
	b.answer = func(c command) ([]byte, byte) {
		number := c.data[0]
		if code := b.refuses[number]; code != 0 {
			return nil, code
		}
		if c.number == 0x09 {
			return append([]byte{1, number}, b.options[number]...), 0
		}
		value := slices.Clone(c.data[1:])
		switch {
		case number == bootSetInProgress && value[0] == setInProgress && b.claimed > 0:
			b.claimed--
			return nil, codeClaimed
		case number == bootFlags && b.ignores && value[0]&0x80 == 0:
		case number == bootFlags && b.turns:
			b.options[number] = []byte{0x80, 2 << 2, 0, 0, 0}
		default:
			b.options[number] = value
		}
		return nil, 0
	}
	return b
}

func TestWriteBoot(t *testing.T) {
	ctx := context.Background()
	for _, boot := range []Boot{
		{Device: BootNone}, {Device: BootPXE}, {Device: BootDisk, Persistent: true}, {Device: BootBIOS, UEFI: true},
		{Device: BootNone, Persistent: true}, {Device: BootCDROM, Persistent: true, UEFI: true},
	} {
		b := newBootBMC(t)
		got, err := writeBoot(ctx, newFastClock(), b, boot)
		if err != nil || got != boot {
			t.Errorf("%v: %v, %v", boot, got, err)
		}
		// nothing stale is left: no CMOS clear, no pass by a password
		flags := b.options[bootFlags]
		if len(flags) != 5 || flags[1]&^0x3c != 0 || !bytes.Equal(flags[2:], []byte{0, 0, 0}) {
			t.Errorf("%v: flags % x", boot, flags)
		}
		if keeps := b.options[bootClearing][0] != 0; keeps != boot.Persistent {
			t.Errorf("%v: valid bit clearing %#02x", boot, b.options[bootClearing])
		}
		if b.options[bootSetInProgress][0] != setComplete {
			t.Errorf("%v: set in progress is left", boot)
		}
	}
}

// The order matters: a claim, what the flags depend on, the flags, the commit
// without which a BMC may roll back, the end of the claim, and only then a look.
func TestWriteBootOrder(t *testing.T) {
	b := newBootBMC(t)
	if _, err := writeBoot(context.Background(), newFastClock(), b, Boot{Device: BootPXE}); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, c := range b.asked {
		order = append(order, fmt.Sprintf("%02x: % x", c.number, c.data))
	}
	want := []string{"08: 00 01", "08: 03 00", "08: 04 ff ff", "08: 05 80 04 00 00 00", "08: 00 02", "08: 00 00", "09: 05 00 00"}
	if !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
	if len(b.sentOnce) != 0 {
		t.Error("boot options may be set twice")
	}
}

func TestWriteBootRefusals(t *testing.T) {
	ctx := context.Background()
	pxe := Boot{Device: BootPXE}

	b := newBootBMC(t) // a BMC with the flags alone
	b.refuses = map[byte]byte{bootSetInProgress: 0xcc, bootClearing: 0x80, bootAcknowledge: 0x80}
	if got, err := writeBoot(ctx, newFastClock(), b, pxe); err != nil || got != pxe {
		t.Errorf("flags alone: %v, %v", got, err)
	}

	b = newBootBMC(t)
	b.refuses = map[byte]byte{bootFlags: 0x80}
	_, err := writeBoot(ctx, newFastClock(), b, pxe)
	wantFailure(t, err, primitives.Unsupported, "boot option", "0x80")
	if b.options[bootSetInProgress][0] != setComplete {
		t.Error("set in progress is left after a refusal")
	}
	for _, c := range b.asked {
		if c.data[0] == bootSetInProgress && c.data[1] == setCommit {
			t.Error("half a change was committed")
		}
	}

	b = newBootBMC(t)
	b.refuses = map[byte]byte{bootSetInProgress: codePrivilege}
	_, err = writeBoot(ctx, newFastClock(), b, pxe)
	wantFailure(t, err, primitives.Denied)

	b = newBootBMC(t)
	b.turns = true
	got, err := writeBoot(ctx, newFastClock(), b, pxe)
	wantFailure(t, err, primitives.Unsupported, `"pxe"`, `"disk"`)
	if got.Device != BootDisk {
		t.Errorf("%v read back", got)
	}

	b = newBootBMC(t) // looks at the device and not at the valid bit
	b.ignores = true
	if got, err := writeBoot(ctx, newFastClock(), b, Boot{Device: BootNone}); err != nil || got.Device != BootNone {
		t.Errorf("no override: %v, %v", got, err)
	}
}

// Somebody else's claim is waited for; one that stays is overridden.
func TestWriteBootClaimed(t *testing.T) {
	for _, claimed := range []int{1, 3, 1000} {
		b, clock := newBootBMC(t), newFastClock()
		b.claimed = claimed
		began := clock.now
		if got, err := writeBoot(context.Background(), clock, b, Boot{Device: BootPXE}); err != nil || got.Device != BootPXE {
			t.Errorf("%d: %v, %v", claimed, got, err)
		}
		if waited := clock.now.Sub(began); waited == 0 || waited > claimPatience+claimPause {
			t.Errorf("%d: waited for %s", claimed, waited)
		}
	}
	b, clock := newBootBMC(t), newFastClock()
	b.claimed, clock.end = 1000, clock.now.Add(claimPause)
	_, err := writeBoot(context.Background(), clock, b, Boot{Device: BootPXE})
	wantFailure(t, err, primitives.Timeout, "somebody else")
}

func TestBootInvalid(t *testing.T) {
	for _, device := range []Device{"", "tape", "remote cdrom", "PXE"} {
		_, err := New(Options{}).SetBoot(context.Background(), Target{Host: "127.112.0.1"}, Boot{Device: device})
		wantKind(t, err, primitives.Invalid, "pxe", "bios")
	}
}

func FuzzBoot(f *testing.F) {
	f.Add([]byte{1, 5, 0x80, 4, 0, 0, 0})
	f.Add([]byte{1, 0x85, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		if boot, err := parseBoot(data); err == nil && boot.Device == "" {
			t.Errorf("% x is no device", data)
		}
	})
}
