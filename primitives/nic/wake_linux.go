package nic

import (
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ethtoolFamily speaks to the kernel's ethtool family about Wake-on modes (Linux,
// Documentation/networking/ethtool-netlink.rst, WOL_GET and WOL_SET). It does so
// itself since the ethtool package gives the modes that are set, not those that
// the driver supports.
type ethtoolFamily struct {
	conn   *genetlink.Conn
	family genetlink.Family
	err    error // why it cannot be spoken to at all
}

var errNoEthtool = fmt.Errorf("this kernel has no ethtool over netlink (Linux 5.6 has): %w", unix.EOPNOTSUPP)

func openEthtool() *ethtoolFamily {
	conn, err := genetlink.Dial(nil)
	if err != nil {
		return &ethtoolFamily{err: err}
	}
	// The kernel's own words for why it refuses; an old one has none.
	_ = conn.SetOption(netlink.ExtendedAcknowledge, true)
	return ethtoolOn(conn)
}

func ethtoolOn(conn *genetlink.Conn) *ethtoolFamily {
	family, err := conn.GetFamily(unix.ETHTOOL_GENL_NAME)
	if err == nil {
		return &ethtoolFamily{conn: conn, family: family}
	}
	_ = conn.Close()
	if errors.Is(err, os.ErrNotExist) {
		err = errNoEthtool
	}
	return &ethtoolFamily{err: err}
}

func (e *ethtoolFamily) close() {
	if e.conn != nil {
		_ = e.conn.Close()
	}
}

// modes asks for the modes of an interface.
func (e *ethtoolFamily) modes(index int) (modes, error) {
	request, err := getModes(index)
	if err != nil {
		return modes{}, err
	}
	replies, err := e.execute(unix.ETHTOOL_MSG_WOL_GET, netlink.Request, request)
	if err != nil {
		return modes{}, err
	}
	if len(replies) != 1 {
		return modes{}, fmt.Errorf("the kernel gave %d answers", len(replies))
	}
	return parseModes(replies[0].Data)
}

// setModes replaces the modes of an interface. A kernel that finds them set
// already does not ask the driver.
func (e *ethtoolFamily) setModes(index int, wanted modes) error {
	request, err := setModes(index, wanted)
	if err != nil {
		return err
	}
	_, err = e.execute(unix.ETHTOOL_MSG_WOL_SET, netlink.Request|netlink.Acknowledge, request)
	return err
}

func (e *ethtoolFamily) execute(command uint8, flags netlink.HeaderFlags, request []byte) ([]genetlink.Message, error) {
	if e.err != nil {
		return nil, e.err
	}
	message := genetlink.Message{
		Header: genetlink.Header{Command: command, Version: unix.ETHTOOL_GENL_VERSION},
		Data:   request,
	}
	return e.conn.Execute(message, e.family.ID, flags)
}

// wake gives the modes of an interface as Interface has them.
func (e *ethtoolFamily) wake(index int) Wake {
	read, err := e.modes(index)
	if err != nil {
		return Wake{Cause: wakeCause(err)}
	}
	return read.wake()
}

func wakeCause(err error) string {
	switch {
	case errors.Is(err, errNoEthtool):
		return err.Error()
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "reading Wake-on modes needs CAP_NET_ADMIN (root)"
	case errors.Is(err, unix.EOPNOTSUPP):
		return "operation not supported"
	case errors.Is(err, unix.ENODEV):
		return "the interface is gone"
	}
	return err.Error()
}
