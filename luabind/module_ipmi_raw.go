package luabind

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"

	"ctys/primitives/ipmi"

	lua "github.com/yuin/gopher-lua"
)

// rowRaw is any command at all. Nobody but the BMC knows what most of them do, so
// each is journalled as what takes power away, and repeated only where the
// specification says that it reads.
func (rt *Runtime) rowRaw() Function {
	return Function{
		Name: "raw", Help: "Sends any command. What it does is between you and the BMC. One that is known only to read is asked again where its reply is lost; any other is sent at most once.",
		Options: []Param{
			{Name: "netfn", Type: Integer, Required: true, Min: 0, Max: 62, Help: "network function, even"},
			{Name: "command", Type: Integer, Required: true, Min: 0, Max: 255},
			{Name: "data", Type: Any, Help: "a list of numbers from 0 to 255, or a string of bytes; at most 240"},
			{Name: "lun", Type: Integer, Min: 0, Max: 3, Default: 0.0},
			bmcDeadline,
		},
		Result: `{code=completion code, 0 is success, text=what it means, data=a string of bytes}; a code that is not 0 is no error`,
		Errors: bmcErrors, Example: `local id = bmc:raw{netfn = 6, command = 1}; assert(id.code == 0, id.text)`,
		Check: checkRaw,
		Op: &Operation{Effect: WriteOnce, Object: rt.bmcObject, Destructive: true,
			Do: bmcAsk(rt, func(ctx context.Context, c *Call, target ipmi.Target) (ipmi.Reply, error) {
				return rt.caps.IPMI.Raw(ctx, target, rawOf(c))
			})},
	}
}

// rawData is the data of a raw command. Plans and journals show it in
// hexadecimal, but for that of a command that carries a secret.
type rawData struct {
	bytes  []byte
	secret bool
}

// String is what may be shown.
func (d rawData) String() string {
	if d.secret {
		return "<secret>"
	}
	return hex.EncodeToString(d.bytes)
}

// carriesSecret tells of the commands of the specification that take a password,
// key or community string: Set User Password (22.30), Set Channel Security Keys
// (22.25), parameter 16 of Set LAN Configuration Parameters (23.1), Set
// Serial/Modem Configuration (25.1), some of whose parameters are passwords, and
// any of them that Send Message (22.7) has for another controller.
func carriesSecret(netFn, command int, data []byte) bool {
	const app, transport = 0x06, 0x0c
	switch {
	case netFn == app && (command == 0x47 || command == 0x56):
		return true
	case netFn == transport && command == 0x01:
		return len(data) > 1 && data[1] == 16
	case netFn == transport && command == 0x10:
		return true
	case netFn == app && command == 0x34:
		const netFnAt, commandAt = 2, 6 // behind the channel
		return len(data) > commandAt && carriesSecret(int(data[netFnAt]>>2), int(data[commandAt]), data[commandAt+1:])
	}
	return false
}

func checkRaw(c *Call) error {
	if c.Int("netfn")%2 != 0 {
		return c.invalid(`option "netfn" is %d, an odd number, which is that of a response; accepted: an even one from 0 to 62`, c.Int("netfn"))
	}
	bytes, why := bytesOf(c.Lua("data"))
	if why != "" {
		return c.invalid(`option "data" %s; accepted: a list of numbers from 0 to 255, or a string of bytes, at most %d of them`, why, ipmi.MaxRawData)
	}
	c.set("data", rawData{bytes, carriesSecret(c.Int("netfn"), c.Int("command"), bytes)})
	return nil
}

func rawOf(c *Call) ipmi.Request {
	data, _ := c.get("data").(rawData)
	return ipmi.Request{NetFn: byte(c.Int("netfn")), LUN: byte(c.Int("lun")), Command: byte(c.Int("command")), Data: data.bytes}
}

// bytesOf reads bytes as Lua has them, or says why it cannot. It never shows
// what it was given, which may be a password.
func bytesOf(value lua.LValue) (bytes []byte, why string) {
	switch data := value.(type) {
	case *lua.LNilType:
	case lua.LString:
		bytes = []byte(data)
	case *lua.LTable:
		if bytes, why = bytesIn(data); why != "" {
			return nil, why
		}
	default:
		return nil, "is a " + value.Type().String()
	}
	if len(bytes) > ipmi.MaxRawData {
		return nil, fmt.Sprintf("has %d bytes", len(bytes))
	}
	return bytes, ""
}

func bytesIn(list *lua.LTable) (bytes []byte, why string) {
	list.ForEach(func(key, _ lua.LValue) {
		if n, ok := key.(lua.LNumber); !ok || n < 1 || int(n) > list.Len() {
			why = "is no list"
		}
	})
	for i := 1; i <= list.Len() && why == ""; i++ {
		n, ok := list.RawGetInt(i).(lua.LNumber)
		if !ok || n < 0 || n > 255 || float64(n) != math.Trunc(float64(n)) {
			return nil, fmt.Sprintf("has an element, number %d, that is no byte", i)
		}
		bytes = append(bytes, byte(n))
	}
	return bytes, why
}
