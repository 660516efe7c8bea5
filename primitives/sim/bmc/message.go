package bmc

// message is one IPMI LAN message (13.8).
type message struct {
	netFn     byte
	responder byte // address of the BMC
	lun       byte
	requester byte
	sequence  byte // and the requester's LUN, as sent
	command   byte
	data      []byte
}

// parseMessage reads a message of the given length; what follows it is left
// to the caller.
func parseMessage(body []byte, length int) (message, bool) {
	if length < 7 || length > len(body) {
		return message{}, false
	}
	body = body[:length]
	if checksum(body[:2]) != body[2] || checksum(body[3:length-1]) != body[length-1] {
		return message{}, false
	}
	return message{
		responder: body[0],
		netFn:     body[1] >> 2,
		lun:       body[1] & 3,
		requester: body[3],
		sequence:  body[4],
		command:   body[5],
		data:      body[6 : length-1],
	}, true
}

// reply makes the response to the message: completion code and data.
func (m message) reply(code byte, data ...byte) []byte {
	made := []byte{m.requester, (m.netFn|1)<<2 | m.sequence&3, 0, m.responder, m.sequence&^3 | m.lun, m.command, code}
	made[2] = checksum(made[:2])
	made = append(made, data...)
	return append(made, checksum(made[3:]))
}

// checksum is the two's complement of the sum (13.8).
func checksum(part []byte) byte {
	var sum byte
	for _, b := range part {
		sum += b
	}
	return -sum
}
