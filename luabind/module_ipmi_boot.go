package luabind

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"ctys/primitives/ipmi"

	lua "github.com/yuin/gopher-lua"
)

// bootDevices are the words of set_boot_device.
var bootDevices = []string{
	string(ipmi.BootNone), string(ipmi.BootPXE), string(ipmi.BootDisk), string(ipmi.BootSafe),
	string(ipmi.BootDiag), string(ipmi.BootCDROM), string(ipmi.BootBIOS),
}

// defaultIdentify is how long a machine shows itself where nothing is said
// (IPMI 2.0, 28.5).
const defaultIdentify = 15

// bmcBoot are the rows about what a machine shows and where it boots from.
func (rt *Runtime) bmcBoot() []Function {
	return []Function{
		{
			Name: "identify", Help: "Has the machine show which one it is, mostly by a lamp: for some seconds, 15 where nothing is said; for ever, until told otherwise; or no more.",
			Options: []Param{
				{Name: "seconds", Type: Integer, Min: 1, Max: 255}, {Name: "forever", Type: Boolean, Default: false},
				{Name: "off", Type: Boolean, Default: false}, bmcDeadline,
			},
			Result: "nothing; chassis() tells whether it shows itself", Errors: bmcErrors, Example: `bmc:identify{seconds = 60}`,
			Check: func(c *Call) error {
				if c.Has("seconds") && c.Bool("forever") || c.Has("seconds") && c.Bool("off") || c.Bool("forever") && c.Bool("off") {
					return c.invalid(`"seconds", "forever" and "off" exclude each other`)
				}
				return nil
			},
			Op: &Operation{Effect: Write, Property: "identify", Object: rt.bmcObject,
				Leaves: func(c *Call) any { return identifyWord(identifyOf(c)) },
				Do: bmcTell(rt, func(ctx context.Context, c *Call, target ipmi.Target) error {
					return rt.caps.IPMI.Identify(ctx, target, identifyOf(c))
				})},
		},
		{
			Name: "boot_device", Help: "Where the machine boots from next, as its boot flags say.", Options: []Param{bmcDeadline},
			Result: `{device="none"|"pxe"|"disk"|"safe"|"diag"|"cdrom"|"bios", persistent=…, uefi=…}; "none" is what its firmware is set to`,
			Errors: bmcErrors, Example: `print(bmc:boot_device().device)`, Return: rt.bootValue,
			Op: &Operation{Effect: Read, Property: propertyBoot, Object: rt.bmcObject,
				Answer: func(_ *Call, left any) any { return bootOfWords(left) },
				Do: bmcAsk(rt, func(ctx context.Context, _ *Call, target ipmi.Target) (ipmi.Boot, error) {
					return rt.caps.IPMI.Boot(ctx, target)
				})},
		},
		{
			Name: "set_boot_device", Help: "Says where the machine boots from: once, or with persistent always. The machine is not restarted; most BMCs forget what holds once where it is not within 60 s.",
			Options: []Param{
				{Name: "device", Type: String, Required: true, OneOf: bootDevices}, {Name: "persistent", Type: Boolean, Default: false},
				{Name: "uefi", Type: Boolean, Default: false, Help: "boot by UEFI, not by the legacy BIOS"}, bmcDeadline,
			},
			Result: "the boot flags as they were read back, as boot_device", Errors: bmcErrors, Example: `bmc:set_boot_device{device = "pxe"}`, Return: rt.bootValue,
			Op: &Operation{Effect: Write, Property: propertyBoot, Object: rt.bmcObject,
				Leaves:  func(c *Call) any { return bootWords(bootOf(c)) },
				Planned: func(c *Call) any { return bootOf(c) },
				Do: bmcAsk(rt, func(ctx context.Context, c *Call, target ipmi.Target) (ipmi.Boot, error) {
					return rt.caps.IPMI.SetBoot(ctx, target, bootOf(c))
				})},
		},
	}
}

const propertyBoot = "boot device"

func identifyOf(c *Call) ipmi.Identify {
	switch {
	case c.Bool("off"):
		return ipmi.Identify{}
	case c.Bool("forever"):
		return ipmi.Identify{Forever: true}
	case c.Has("seconds"):
		return ipmi.Identify{For: time.Duration(c.Int("seconds")) * time.Second}
	}
	return ipmi.Identify{For: defaultIdentify * time.Second}
}

// identifyWord is what the chassis status calls it (28.2).
func identifyWord(identify ipmi.Identify) string {
	switch {
	case identify.Forever:
		return "on"
	case identify.For > 0:
		return "timed"
	}
	return "off"
}

func bootOf(c *Call) ipmi.Boot {
	return ipmi.Boot{Device: ipmi.Device(c.String("device")), Persistent: c.Bool("persistent"), UEFI: c.Bool("uefi")}
}

// bootValue gives boot flags to a script by their fields, though they have words
// for people too.
func (rt *Runtime) bootValue(_ *Call, result any) lua.LValue {
	return rt.recordToLua(reflect.ValueOf(result.(ipmi.Boot)))
}

// bootWords and bootOfWords carry boot flags through a plan, where what a write
// leaves is one text.
func bootWords(boot ipmi.Boot) string {
	words := []string{string(boot.Device)}
	if boot.Persistent {
		words = append(words, "persistent")
	}
	if boot.UEFI {
		words = append(words, "uefi")
	}
	return strings.Join(words, " ")
}

func bootOfWords(left any) ipmi.Boot {
	text, _ := left.(string)
	words := strings.Fields(text)
	if len(words) == 0 {
		return ipmi.Boot{}
	}
	return ipmi.Boot{Device: ipmi.Device(words[0]), Persistent: slices.Contains(words, "persistent"), UEFI: slices.Contains(words, "uefi")}
}
