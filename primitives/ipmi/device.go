package ipmi

import (
	"context"
	"fmt"

	"github.com/bougou/go-ipmi/pkg/types"
)

var (
	getDeviceID   = command{netFn: netFnApp, number: 0x01} // 20.1
	getSystemGUID = command{netFn: netFnApp, number: 0x37} // 22.14
)

// readController asks a BMC what it is. One that has no GUID, or does not know
// the command, has an empty one.
func readController(ctx context.Context, a asker) (Controller, error) {
	data, err := a.ask(ctx, getDeviceID)
	if err != nil {
		return Controller{}, err
	}
	controller, err := parseDeviceID(data)
	if err != nil {
		return Controller{}, err
	}
	data, err = a.ask(ctx, getSystemGUID)
	switch {
	case err == nil:
		controller.GUID = parseGUID(data)
	case codeOf(err) == 0:
		return Controller{}, err
	}
	return controller, nil
}

// parseDeviceID reads what follows the completion code of Get Device ID (20.1,
// table 20-2).
func parseDeviceID(data []byte) (Controller, error) {
	if len(data) < 11 {
		return Controller{}, unreadable("Get Device ID", data)
	}
	return Controller{
		ID:       int(data[0]),
		Revision: int(data[1] & 0x0f),
		// the minor revision is binary coded decimal
		Firmware:     fmt.Sprintf("%d.%02x", data[2]&0x7f, data[3]),
		IPMI:         fmt.Sprintf("%x.%x", data[4]&0x0f, data[4]>>4),
		Manufacturer: int(data[6]) | int(data[7])<<8 | int(data[8]&0x0f)<<16,
		Product:      int(data[9]) | int(data[10])<<8,
	}, nil
}

// parseGUID writes a GUID as RFC 4122 does. BMCs differ in the order of its
// bytes: that of SMBIOS, which the specification recommends, the reverse of all
// 16, which it demanded before its erratum E7 (20.8), and that of RFC 4122. The
// first order of these that gives a version and variant of RFC 4122 is taken,
// else that of SMBIOS.
func parseGUID(data []byte) string {
	if len(data) != 16 || uniform(data) {
		return ""
	}
	mode := types.GUIDModeSMBIOS
	switch {
	case isUUID(data[7], data[8]):
	case isUUID(data[9], data[7]):
		mode = types.GUIDModeIPMI
	case isUUID(data[6], data[8]):
		mode = types.GUIDModeRFC4122
	}
	id, err := types.ParseGUID(data, mode)
	if err != nil {
		return ""
	}
	return id.String()
}

// isUUID tells whether the byte with the version and that with the variant are
// those of a UUID (RFC 4122, 4.1).
func isUUID(version, variant byte) bool {
	return version>>4 >= 1 && version>>4 <= 5 && variant>>6 == 2
}

// uniform tells whether all bytes are 00h or all are FFh, as where none was set.
func uniform(data []byte) bool {
	for _, b := range data {
		if b != data[0] {
			return false
		}
	}
	return data[0] == 0 || data[0] == 0xff
}
