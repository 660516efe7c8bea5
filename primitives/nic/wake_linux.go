package nic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mdlayher/ethtool"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// wakeReader asks the kernel's ethtool family for Wake-on modes (Linux,
// Documentation/networking/ethtool-netlink.rst, WOL_GET). It speaks to the
// family itself since the ethtool package gives the modes that are set, not
// those that the driver supports.
type wakeReader struct {
	conn   *genetlink.Conn
	family genetlink.Family
	cause  string // why nothing can be read at all
}

func openWakeReader() *wakeReader {
	conn, err := genetlink.Dial(nil)
	if err != nil {
		return &wakeReader{cause: wakeCause(err)}
	}
	family, err := conn.GetFamily(unix.ETHTOOL_GENL_NAME)
	if err != nil {
		conn.Close()
		if errors.Is(err, os.ErrNotExist) {
			return &wakeReader{cause: "this kernel has no ethtool over netlink (Linux 5.6 has)"}
		}
		return &wakeReader{cause: wakeCause(err)}
	}
	return &wakeReader{conn: conn, family: family}
}

func (r *wakeReader) close() {
	if r.conn != nil {
		r.conn.Close()
	}
}

func (r *wakeReader) read(index int) Wake {
	if r.conn == nil {
		return Wake{Cause: r.cause}
	}
	request, err := wakeRequest(index)
	if err != nil {
		return Wake{Cause: wakeCause(err)}
	}
	message := genetlink.Message{
		Header: genetlink.Header{Command: unix.ETHTOOL_MSG_WOL_GET, Version: unix.ETHTOOL_GENL_VERSION},
		Data:   request,
	}
	replies, err := r.conn.Execute(message, r.family.ID, netlink.Request)
	if err != nil {
		return Wake{Cause: wakeCause(err)}
	}
	if len(replies) != 1 {
		return Wake{Cause: fmt.Sprintf("the kernel gave %d answers", len(replies))}
	}
	supported, set, err := parseWake(replies[0].Data)
	if err != nil {
		return Wake{Cause: wakeCause(err)}
	}
	return wake(supported, set)
}

func wakeRequest(index int) ([]byte, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.Nested(unix.ETHTOOL_A_WOL_HEADER, func(header *netlink.AttributeEncoder) error {
		header.Uint32(unix.ETHTOOL_A_HEADER_DEV_INDEX, uint32(index))
		header.Uint32(unix.ETHTOOL_A_HEADER_FLAGS, unix.ETHTOOL_FLAG_COMPACT_BITSETS)
		return nil
	})
	return encoder.Encode()
}

// parseWake reads an answer: a bit set whose mask has the modes that the driver
// supports and whose value those that are set.
func parseWake(data []byte) (supported, set ethtool.WOLMode, err error) {
	decoder, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return 0, 0, err
	}
	for decoder.Next() {
		if decoder.Type() != unix.ETHTOOL_A_WOL_MODES {
			continue
		}
		decoder.Nested(func(bits *netlink.AttributeDecoder) error {
			for bits.Next() {
				switch bits.Type() {
				case unix.ETHTOOL_A_BITSET_VALUE:
					bits.Do(firstWord(&set))
				case unix.ETHTOOL_A_BITSET_MASK:
					bits.Do(firstWord(&supported))
				}
			}
			return nil
		})
	}
	return supported, set, decoder.Err()
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

// The letters of ethtool(8), in its order.
var wakeLetters = []struct {
	mode   ethtool.WOLMode
	letter string
}{
	{ethtool.PHY, "p"}, {ethtool.Unicast, "u"}, {ethtool.Multicast, "m"}, {ethtool.Broadcast, "b"},
	{ethtool.ARP, "a"}, {ethtool.Magic, "g"}, {ethtool.MagicSecure, "s"}, {ethtool.Filter, "f"},
}

func wake(supported, set ethtool.WOLMode) Wake {
	read := Wake{Supported: letters(supported), Set: letters(set)}
	if read.Set == "" {
		read.Set = "d"
	}
	if read.Supported == "" {
		read.Cause = "the driver offers no mode but d, off"
	}
	return read
}

func letters(modes ethtool.WOLMode) string {
	var found strings.Builder
	for _, each := range wakeLetters {
		if modes&each.mode != 0 {
			found.WriteString(each.letter)
		}
	}
	return found.String()
}

func wakeCause(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "reading Wake-on modes needs CAP_NET_ADMIN (root)"
	case errors.Is(err, unix.EOPNOTSUPP):
		return "operation not supported"
	case errors.Is(err, unix.ENODEV):
		return "the interface is gone"
	}
	return err.Error()
}
