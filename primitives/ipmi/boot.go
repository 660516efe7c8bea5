package ipmi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ctys/primitives"
)

// The parameters of the system boot options that are used here (28.13, table
// 28-14).
const (
	bootSetInProgress = 0
	bootClearing      = 3 // when the BMC clears the valid bit of the flags
	bootAcknowledge   = 4
	bootFlags         = 5
)

// The values of set in progress.
const (
	setComplete   = 0
	setInProgress = 1
	setCommit     = 2 // only of a BMC that can roll back
)

// keepFlags is the value of bootClearing that keeps the flags valid through
// everything (28.13, table 28-14, parameter 3).
const keepFlags = 0x1f

// codeClaimed says that somebody else is setting boot options (28.12).
const codeClaimed = 0x81

// The pauses and the patience while somebody else is setting boot options.
const (
	claimPause    = 100 * time.Millisecond
	claimPatience = 2 * time.Second
)

var bootCodes = map[byte]meaning{
	0x80:        {primitives.Unsupported, "it does not have this boot option"},
	codeClaimed: {primitives.Busy, "somebody else is setting its boot options"},
	0x82:        {primitives.Unsupported, "its boot options can only be read"},
}

// devices are the selectors of the boot flags for the devices of this package.
var devices = map[Device]byte{
	BootNone: 0, BootPXE: 1, BootDisk: 2, BootSafe: 3, BootDiag: 4, BootCDROM: 5, BootBIOS: 6,
}

// foreignDevices are the selectors that are only read here.
var foreignDevices = map[byte]Device{
	7: "remote floppy", 8: "remote cdrom", 9: "remote media", 11: "remote disk", 15: "floppy",
}

// check tells what is wrong with boot flags that are to be set.
func (b Boot) check() error {
	if _, ok := devices[b.Device]; !ok {
		var names []string
		for _, device := range slices.Sorted(maps.Keys(devices)) {
			names = append(names, string(device))
		}
		return failed(primitives.Invalid, fmt.Sprintf("%q is no boot device: one of %s", string(b.Device), strings.Join(names, ", ")), nil)
	}
	return nil
}

// readBoot reads the boot flags (28.13).
func readBoot(ctx context.Context, a asker) (Boot, error) {
	data, err := a.ask(ctx, command{netFn: netFnChassis, number: 0x09, data: []byte{bootFlags, 0, 0}, codes: bootCodes})
	if err != nil {
		return Boot{}, err
	}
	return parseBoot(data)
}

// parseBoot reads what follows the completion code of Get System Boot Options
// for the boot flags. Flags that are not valid, or whose parameter is marked
// invalid, are none: firmware does not look at them.
func parseBoot(data []byte) (Boot, error) {
	if len(data) < 4 || data[1]&0x7f != bootFlags {
		return Boot{}, unreadable("Get System Boot Options", data)
	}
	locked, flags, selector := data[1]&0x80 != 0, data[2], data[3]>>2&0x0f
	if locked || flags&0x80 == 0 {
		return Boot{Device: BootNone}, nil
	}
	return Boot{Device: deviceOf(selector), Persistent: flags&0x40 != 0, UEFI: flags&0x20 != 0}, nil
}

func deviceOf(selector byte) Device {
	for device, known := range devices {
		if known == selector {
			return device
		}
	}
	if device, ok := foreignDevices[selector]; ok {
		return device
	}
	return Device(fmt.Sprintf("reserved %d", selector))
}

// writeBoot sets the boot flags and gives what the BMC says of them afterwards.
// It is an error, Unsupported, where that is not what was asked for.
//
// All that the flags held before is overwritten, among it requests that this
// package does not make, such as to clear the CMOS or to pass by a password.
// Flags for one boot stay under the BMC's rule to forget them where no chassis
// control follows within 60 seconds (28.12), lest they act days later; those
// that persist are kept until the firmware has seen them.
func writeBoot(ctx context.Context, clock primitives.Clock, a asker, want Boot) (Boot, error) {
	if err := writeParameters(ctx, clock, a, want.parameters()); err != nil {
		return Boot{}, err
	}
	got, err := readBoot(ctx, a)
	if err != nil {
		return Boot{}, err
	}
	if want.Device == BootNone && got.Device != BootNone {
		// It has not followed the valid bit: say "no override" in so many words.
		if err := writeParameters(ctx, clock, a, []parameter{{bootFlags, []byte{0x80, 0, 0, 0, 0}}}); err != nil {
			return Boot{}, err
		}
		if got, err = readBoot(ctx, a); err != nil {
			return Boot{}, err
		}
	}
	if !got.fulfils(want) {
		return got, failed(primitives.Unsupported, fmt.Sprintf(
			"the BMC accepted the boot flags %q and reads back %q: whether the machine will follow them is not known", want, got), nil)
	}
	return got, nil
}

// fulfils tells whether flags that were read are those that were set.
func (b Boot) fulfils(want Boot) bool {
	if want.Device == BootNone && !want.Persistent {
		return b.Device == BootNone && !b.Persistent
	}
	return b == want
}

// String is for messages: "pxe", "disk, persistent, UEFI".
func (b Boot) String() string {
	words := []string{string(b.Device)}
	if b.Persistent {
		words = append(words, "persistent")
	}
	if b.UEFI {
		words = append(words, "UEFI")
	}
	return strings.Join(words, ", ")
}

// parameter is a boot option and its data.
type parameter struct {
	number byte
	data   []byte
}

// optional tells whether the boot flags mean something without a parameter.
func (p parameter) optional() bool { return p.number != bootFlags }

// parameters are the boot options for these flags, in the order to set them.
func (b Boot) parameters() []parameter {
	clearing := parameter{bootClearing, []byte{0}}
	flags := parameter{bootFlags, []byte{0, 0, 0, 0, 0}}
	if b.Device == BootNone && !b.Persistent {
		return []parameter{clearing, flags} // not valid: cleared
	}
	flags.data[0] = 0x80
	if b.Persistent {
		clearing.data[0] = keepFlags
		flags.data[0] |= 0x40
	}
	if b.UEFI {
		flags.data[0] |= 0x20
	}
	flags.data[1] = devices[b.Device] << 2
	// nobody has handled the flags yet
	return []parameter{clearing, {bootAcknowledge, []byte{0xff, 0xff}}, flags}
}

// writeParameters sets boot options as one change (28.13, parameter 0).
func writeParameters(ctx context.Context, clock primitives.Clock, a asker, parameters []parameter) error {
	claimed, err := claimBoot(ctx, clock, a)
	if err != nil {
		return err
	}
	for _, p := range parameters {
		if err = setBoot(ctx, a, p); err != nil {
			break
		}
	}
	if claimed {
		if released := releaseBoot(ctx, clock, a, err == nil); err == nil {
			err = released
		}
	}
	return err
}

// setBoot is Set System Boot Options (28.12). That a BMC lacks an optional
// parameter is no error.
func setBoot(ctx context.Context, a asker, p parameter) error {
	_, err := a.ask(ctx, command{netFn: netFnChassis, number: 0x08, data: append([]byte{p.number}, p.data...), codes: bootCodes})
	if p.optional() && lacks(err) {
		return nil
	}
	return err
}

// claimBoot sets "set in progress", and tells whether the BMC took it. It is a
// notice and no lock, and stays behind where its setter died: one that does not
// go away within claimPatience is overridden.
func claimBoot(ctx context.Context, clock primitives.Clock, a asker) (bool, error) {
	for waited := time.Duration(0); ; waited += claimPause {
		_, err := a.ask(ctx, command{netFn: netFnChassis, number: 0x08, data: []byte{bootSetInProgress, setInProgress}, codes: bootCodes})
		switch {
		case err == nil:
			return true, nil
		case codeOf(err) == codeClaimed:
			if waited >= claimPatience {
				return true, nil
			}
			if err := clock.Sleep(ctx, claimPause); err != nil {
				return false, failed(endKind(ctx), "somebody else is setting the BMC's boot options, and the time is over", err)
			}
		case lacks(err):
			return false, nil
		default:
			return false, err
		}
	}
}

// releasePatience bounds the release after the caller's deadline.
const releasePatience = 400 * time.Millisecond

// releaseBoot ends "set in progress", also where ctx has ended. A BMC that can
// roll back keeps what was written only where it is committed.
func releaseBoot(ctx context.Context, clock primitives.Clock, a asker, commit bool) error {
	if over(ctx, clock) {
		bounded, cancel := primitives.WithTimeout(context.WithoutCancel(ctx), clock, releasePatience)
		defer cancel()
		ctx = bounded
	}
	if commit {
		if err := setBoot(ctx, a, parameter{bootSetInProgress, []byte{setCommit}}); err != nil && codeOf(err) == 0 {
			return err
		}
	}
	return setBoot(ctx, a, parameter{bootSetInProgress, []byte{setComplete}})
}
