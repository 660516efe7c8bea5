//go:build linux

package wake

import (
	"encoding/binary"
	"fmt"
	"net"
)

// Registers are those of an Intel 82574 (driver e1000e) that say whether it
// wakes the machine. The driver writes the first two when the machine goes
// down, and zeroes them where it was not armed.
// Source: Intel 82574 GbE Controller Family datasheet, section 10.2.
type Registers struct {
	Control uint32           // WUC, wake up control
	Filter  uint32           // WUFC, wake up filter control
	Receive uint32           // RCTL, receive control
	Address net.HardwareAddr // RAL and RAH, the address that it receives
}

// The registers' offsets from the card's memory region, and bits in them.
const (
	receiveControl = 0x0100
	addressLow     = 0x5400
	addressHigh    = 0x5404
	wakeControl    = 0x5800
	wakeFilter     = 0x5808

	pmeEnable       = 1 << 1  // WUC: raise the power management event
	magicPacket     = 1 << 1  // WUFC: on a magic packet
	acceptBroadcast = 1 << 15 // RCTL
	acceptUnicast   = 1 << 3  // RCTL: all of it, promiscuous
	acceptMulticast = 1 << 4  // RCTL: the same
	addressValid    = 1 << 31 // RAH
)

// Armed tells whether a magic packet wakes the machine.
func (r Registers) Armed() bool { return r.Control&pmeEnable != 0 && r.Filter&magicPacket != 0 }

func (r Registers) String() string {
	return fmt.Sprintf("WUC %#x, WUFC %#x, RCTL %#x, address %s", r.Control, r.Filter, r.Receive, r.Address)
}

// readRegisters reads them out of the machine, whether it runs or not.
func readRegisters(m *monitor) (Registers, error) {
	base, err := region(m)
	if err != nil {
		return Registers{}, err
	}
	var r Registers
	var low, high uint32
	for _, each := range []struct {
		offset uint64
		into   *uint32
	}{
		{wakeControl, &r.Control}, {wakeFilter, &r.Filter}, {receiveControl, &r.Receive}, {addressLow, &low}, {addressHigh, &high},
	} {
		if *each.into, err = m.word(base + each.offset); err != nil {
			return Registers{}, err
		}
	}
	if high&addressValid != 0 {
		address := binary.LittleEndian.AppendUint32(nil, low)
		r.Address = binary.LittleEndian.AppendUint16(address, uint16(high))
	}
	return r, nil
}

// region is where the card's registers are in the machine's memory.
func region(m *monitor) (uint64, error) {
	var buses []struct {
		Devices []struct {
			Slot    int
			Regions []struct {
				Bar     int
				Type    string
				Address int64
			}
		}
	}
	if err := m.do("query-pci", nil, &buses); err != nil {
		return 0, err
	}
	for _, bus := range buses {
		for _, device := range bus.Devices {
			for _, region := range device.Regions {
				if device.Slot == slot && region.Bar == 0 && region.Type == "memory" && region.Address > 0 {
					return uint64(region.Address), nil
				}
			}
		}
	}
	return 0, fmt.Errorf("the card in slot %d has its registers nowhere in memory", slot)
}
