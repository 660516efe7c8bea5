package nic

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/ethtool"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// getModes lays out WOL_GET (Linux, Documentation/networking/ethtool-netlink.rst).
func getModes(index int) ([]byte, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.Nested(unix.ETHTOOL_A_WOL_HEADER, ofInterface(index))
	return encoder.Encode()
}

// setModes lays out WOL_SET: modes that are exactly the wanted ones, since a set
// without a mask clears what it does not name.
func setModes(index int, wanted modes) ([]byte, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.Nested(unix.ETHTOOL_A_WOL_HEADER, ofInterface(index))
	encoder.Nested(unix.ETHTOOL_A_WOL_MODES, func(bits *netlink.AttributeEncoder) error {
		bits.Flag(unix.ETHTOOL_A_BITSET_NOMASK, true)
		bits.Uint32(unix.ETHTOOL_A_BITSET_SIZE, uint32(len(wakeLetters)))
		bits.Uint32(unix.ETHTOOL_A_BITSET_VALUE, uint32(wanted.set))
		return nil
	})
	if wanted.password != nil {
		encoder.Bytes(unix.ETHTOOL_A_WOL_SOPASS, wanted.password)
	}
	return encoder.Encode()
}

func ofInterface(index int) func(*netlink.AttributeEncoder) error {
	return func(header *netlink.AttributeEncoder) error {
		header.Uint32(unix.ETHTOOL_A_HEADER_DEV_INDEX, uint32(index))
		header.Uint32(unix.ETHTOOL_A_HEADER_FLAGS, unix.ETHTOOL_FLAG_COMPACT_BITSETS)
		return nil
	}
}

// parseModes reads the answer to WOL_GET: a bit set whose mask has the modes that
// the driver supports and whose value those that are set. The kernel adds the
// password where the driver supports s and the caller may know it.
func parseModes(data []byte) (modes, error) {
	var read modes
	decoder, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return modes{}, err
	}
	for decoder.Next() {
		switch decoder.Type() {
		case unix.ETHTOOL_A_WOL_MODES:
			decoder.Nested(read.bits)
		case unix.ETHTOOL_A_WOL_SOPASS:
			read.password = decoder.Bytes()
		}
	}
	return read, decoder.Err()
}

func (m *modes) bits(decoder *netlink.AttributeDecoder) error {
	for decoder.Next() {
		switch decoder.Type() {
		case unix.ETHTOOL_A_BITSET_VALUE:
			decoder.Do(firstWord(&m.set))
		case unix.ETHTOOL_A_BITSET_MASK:
			decoder.Do(firstWord(&m.supported))
		}
	}
	return nil
}

// firstWord reads the first 32 bits of a compact bit set; the kernel knows
// eight modes.
func firstWord(mode *ethtool.WOLMode) func([]byte) error {
	return func(data []byte) error {
		if len(data) < 4 {
			return fmt.Errorf("a bit set of %d bytes", len(data))
		}
		*mode = ethtool.WOLMode(binary.NativeEndian.Uint32(data))
		return nil
	}
}
