package ipmi

import "context"

// command is one IPMI command (5.1) as a session carries it.
type command struct {
	netFn, lun, number byte
	data               []byte

	// codes are the meanings of completion codes that only this command has,
	// before those of all (5.2).
	codes map[byte]meaning
}

// asker carries a command to the BMC of an open session and gives what follows
// the completion code of its reply. What is lost on the way, and what is
// answered with "node busy", is asked again within the deadline of ctx, so that
// only commands go this way that may be carried out twice. Errors are
// *failure.
type asker interface {
	ask(ctx context.Context, c command) ([]byte, error)
}
