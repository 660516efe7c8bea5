package ipmi

import "context"

// The network functions of requests (5.1, table 5-1), beside those of the
// chassis and of applications.
const (
	netFnSensor    = 0x04 // sensor/event
	netFnStorage   = 0x0a
	netFnTransport = 0x0c
)

// command is one IPMI command (5.1) as a session carries it.
type command struct {
	netFn, lun, number byte
	data               []byte

	// codes are the meanings of completion codes that only this command has,
	// before those of all (5.2).
	codes map[byte]meaning
}

// asker carries a command to the BMC of an open session and gives what follows
// the completion code of its reply. Errors are *failure; where the BMC refused,
// codeOf gives the completion code.
type asker interface {
	// ask asks again within the deadline of ctx for what is lost on the way, and
	// for what is answered with "node busy", so that only commands go this way
	// that may be carried out twice.
	ask(ctx context.Context, c command) ([]byte, error)

	// once sends a command that must not be carried out twice. Where no reply
	// comes, nobody knows whether it was: the failure has the kind Timeout, or
	// Canceled, and no completion code.
	once(ctx context.Context, c command) ([]byte, error)
}
