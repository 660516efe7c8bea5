// A call goes down these layers, each with its file:
//
//	client     its turn at the BMC, the gate, an address
//	open       which cipher suite; when to begin anew, when to give up
//	handshake  one set-up: Open Session and RAKP
//	session    commands: ask (again until answered) and once (never again)
//	line       one call's datagrams to and from one BMC
//	network    the few sockets that all lines share
//
// The messages and the cryptography are go-ipmi's (packet, setup, suites).
package ipmi
