package bmc

import "encoding/binary"

// Commands of the BMC itself and of sessions.

// deviceID is Get Device ID (20.1).
func (b *BMC) deviceID(*session, []byte) (byte, []byte) {
	reply := []byte{
		0x20, 0x01, // device id and revision
		0x01, 0x00, // firmware 1.0
		0x02, // IPMI 2.0
		0x87, // chassis device, event log, sensor records, sensors
	}
	maker := binary.LittleEndian.AppendUint32(nil, uint32(b.Model.Manufacturer))
	reply = append(reply, maker[:3]...)
	return done, binary.LittleEndian.AppendUint16(reply, uint16(b.Model.Product))
}

// systemGUID is Get System GUID (22.14).
func (b *BMC) systemGUID(*session, []byte) (byte, []byte) { return done, b.GUID[:] }

// channel is the LAN channel that all of this stands for.
const channel = 1

// authCapabilities is Get Channel Authentication Capabilities (22.13): no
// authentication type of IPMI 1.5, only 2.0 with named users.
func (b *BMC) authCapabilities(_ *session, data []byte) (byte, []byte) {
	types := byte(0)
	if data[0]&0x80 != 0 {
		types = 0x80 // extended data follow
	}
	return done, []byte{channel, types, 0x04, 0x02, 0, 0, 0, 0}
}

// cipherSuites is Get Channel Cipher Suites (22.15): 16 bytes of the list at a
// time.
func (b *BMC) cipherSuites(_ *session, data []byte) (byte, []byte) {
	list := records()
	from := min(int(data[2]&0x3f)*16, len(list))
	return done, append([]byte{channel}, list[from:min(from+16, len(list))]...)
}

// setPrivilege is Set Session Privilege Level (22.18).
func (b *BMC) setPrivilege(s *session, data []byte) (byte, []byte) {
	switch wanted := Privilege(data[0] & 0x0f); {
	case wanted == 0:
	case wanted == 1 || wanted > Administrator:
		return outOfRange, nil
	case wanted > s.limit():
		return aboveLimit, nil
	default:
		s.privilege = wanted
	}
	return done, []byte{byte(s.privilege)}
}

// badSession is of Close Session (22.19).
const badSession = 0x87

// closeSession is Close Session (22.19). Only an administrator may end other
// sessions than that by which the command comes.
func (b *BMC) closeSession(s *session, data []byte) (byte, []byte) {
	closed := s
	if id := binary.LittleEndian.Uint32(data); id != s.managed {
		if closed = b.session(id); closed == nil || !closed.open {
			return badSession, nil
		}
		if s.privilege < Administrator {
			return noPrivilege, nil
		}
	}
	b.drop(closed)
	return done, nil
}

// sessionInfo is Get Session Info (22.20). Index 0 asks for the session by which
// the command comes, 1 and up for the n-th that is open.
func (b *BMC) sessionInfo(s *session, data []byte) (byte, []byte) {
	open := b.openSessions()
	asked := s
	switch index := data[0]; {
	case index == 0:
	case index >= 0xfe:
		return badField, nil // by handle or by id: not here
	case int(index) > len(open):
		asked = nil
	default:
		asked = open[index-1]
	}
	counts := []byte{0, byte(b.slots()), byte(len(open))}
	if asked == nil {
		return done, counts
	}
	counts[0] = asked.handle
	return done, append(counts, asked.account, byte(asked.privilege), 0x10|channel)
}
