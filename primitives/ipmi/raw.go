package ipmi

import (
	"context"
	"fmt"
	"sync"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// MaxRawData is the most data of a raw command, in bytes: what the length byte
// of the smallest transports leaves room for.
const MaxRawData = 240

// check tells what is wrong with a raw command.
func (r Request) check() error {
	switch {
	case r.NetFn > 62 || r.NetFn%2 != 0:
		return failed(primitives.Invalid, fmt.Sprintf("network function %#02x: a request has an even one from 0 to 0x3e", r.NetFn), nil)
	case r.LUN > 3:
		return failed(primitives.Invalid, fmt.Sprintf("LUN %d is not within 0 to 3", r.LUN), nil)
	case len(r.Data) > MaxRawData:
		return failed(primitives.Invalid, fmt.Sprintf("%d bytes of data: a command has room for %d", len(r.Data), MaxRawData), nil)
	}
	return nil
}

// Privilege is the level that a raw command is sent with, and whether it is
// known only to read, so that it may be carried out twice (appendix G).
func (r Request) Privilege() (level types.PrivilegeLevel, reads bool) {
	if level, reads = readers()[[2]byte{r.NetFn, r.Command}]; reads {
		return level, true
	}
	return types.PrivilegeLevelOperator, false
}

// raw carries a raw command out: one that only reads until a reply comes,
// another one at most once. A refusal is a reply, except for the missing
// privilege.
func raw(ctx context.Context, a asker, request Request) (Reply, error) {
	level, reads := request.Privilege()
	c := command{netFn: request.NetFn, lun: request.LUN, number: request.Command, data: request.Data, codes: map[byte]meaning{
		codePrivilege: {primitives.Denied, fmt.Sprintf(
			"the command was sent with the privilege level %s, and needs a higher one or is forbidden by the BMC's firewall", level)},
	}}
	carry := a.once
	if reads {
		carry = a.ask
	}
	data, err := carry(ctx, c)
	switch code := codeOf(err); {
	case err == nil:
		return Reply{Text: "success", Data: data}, nil
	case code == 0 || code == codePrivilege:
		return Reply{}, err
	default:
		return Reply{Code: code, Text: c.wording(code)}, nil
	}
}

// readers are the commands that change nothing, with the level that each needs
// (appendix G, table G-1), by network function and number.
var readers = sync.OnceValue(func() map[[2]byte]types.PrivilegeLevel {
	user := map[byte][]byte{
		netFnChassis: {0x00, 0x01, 0x07, 0x0f},
		netFnSensor:  {0x01, 0x10, 0x20, 0x21, 0x23, 0x25, 0x27, 0x29, 0x2b, 0x2d, 0x2f},
		netFnApp: {0x01, 0x04, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x25, 0x2f, 0x36, 0x37, 0x38, 0x3d,
			0x41, 0x42, 0x4a, 0x4b, 0x4e, 0x4f, 0x50, 0x54, 0x57, 0x59, 0x61, 0x63, 0x64},
		netFnStorage:   {0x10, 0x11, 0x20, 0x21, 0x23, 0x28, 0x40, 0x41, 0x43, 0x48, 0x5a, 0x5c},
		netFnTransport: {0x04, 0x13, 0x1b, 0x22, 0x32},
	}
	operator := map[byte][]byte{
		netFnChassis:   {0x09},
		netFnSensor:    {0x13},
		netFnApp:       {0x44, 0x46, 0x4d},
		netFnTransport: {0x02, 0x11},
	}
	known := map[[2]byte]types.PrivilegeLevel{}
	for level, functions := range map[types.PrivilegeLevel]map[byte][]byte{
		types.PrivilegeLevelUser: user, types.PrivilegeLevelOperator: operator,
	} {
		for netFn, commands := range functions {
			for _, number := range commands {
				known[[2]byte{netFn, number}] = level
			}
		}
	}
	return known
})
