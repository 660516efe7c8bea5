package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ask sends one message of rtnetlink and gives the answers. A dump that a
// change in the kernel's tables has interrupted is repeated; where changes do
// not end the last one is taken as it is.
func ask(kind int, flags netlink.HeaderFlags, data []byte) ([]netlink.Message, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	request := netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags}, Data: data}
	var answers []netlink.Message
	for range 5 {
		if answers, err = conn.Execute(request); err != nil || !interrupted(answers) {
			return answers, err
		}
	}
	return answers, nil
}

func interrupted(answers []netlink.Message) bool {
	return slices.ContainsFunc(answers, func(m netlink.Message) bool { return m.Header.Flags&netlink.DumpInterrupted != 0 })
}

// dump reads a whole table of one family; nothing where the kernel lacks the
// family.
func dump(kind int, header []byte) ([]netlink.Message, error) {
	answers, err := ask(kind, netlink.Dump, header)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, nil
	}
	return answers, err
}

// tell makes a change. What is there already, or gone already, is no error.
func tell(kind int, flags netlink.HeaderFlags, data []byte, done ...error) error {
	_, err := ask(kind, netlink.Acknowledge|flags, data)
	if slices.ContainsFunc(done, func(settled error) bool { return errors.Is(err, settled) }) {
		return nil
	}
	return err
}

// attributes reads what follows the header of a message.
func attributes(data []byte, header int) (*netlink.AttributeDecoder, error) {
	if len(data) < header {
		return nil, fmt.Errorf("a message of %d bytes", len(data))
	}
	decoder, err := netlink.NewAttributeDecoder(data[header:])
	if err == nil {
		decoder.ByteOrder = binary.NativeEndian
	}
	return decoder, err
}

// encode puts attributes after a header.
func encode(header []byte, fill func(*netlink.AttributeEncoder)) ([]byte, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.ByteOrder = binary.NativeEndian
	fill(encoder)
	body, err := encoder.Encode()
	return append(header, body...), err
}

// family is the kernel's number of an address's.
func family(address netip.Addr) byte {
	if address.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func put(encoder *netlink.AttributeEncoder, kind uint16, address netip.Addr) {
	if address.IsValid() {
		encoder.Bytes(kind, address.AsSlice())
	}
}

func putNumber(encoder *netlink.AttributeEncoder, kind uint16, number uint32) {
	if number != 0 {
		encoder.Uint32(kind, number)
	}
}

// unspecified is the address of no host in a family.
func unspecified(number byte) netip.Addr {
	if number == unix.AF_INET {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
