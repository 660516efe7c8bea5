package remote

import (
	"context"
	"io"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"ctys/primitives"
)

// agentChannel is what the other side opens to ask the agent (PROTOCOL.agent
// of OpenSSH).
const agentChannel = "auth-agent@openssh.com"

// lending is how many sessions of a line may use the agent here at the moment.
// For sshd what one session has asked for holds for the whole line, and it takes
// no second request; here the peer is turned away while no session is lent it.
type lending struct {
	mu        sync.Mutex
	requested bool
	lent      int
}

// lendAgent lets the programs of a session use the keys of the operator's agent
// until the function that it returns is called: what ssh(1) does with -A.
func (c *Conn) lendAgent(session *ssh.Session) (end func(), err error) {
	if c.settings.agentSocket == "" {
		return nil, primitives.Errorf(primitives.Unsupported, opTerminal, c.settings.alias,
			"there is no agent to forward: SSH_AUTH_SOCK is not set; start one, or leave agent forwarding out")
	}
	c.lending.mu.Lock()
	defer c.lending.mu.Unlock()
	if !c.lending.requested {
		if err := agent.RequestAgentForwarding(session); err != nil {
			return nil, primitives.Errorf(primitives.Denied, opTerminal, c.settings.alias,
				"it takes no agent forwarding (sshd's AllowAgentForwarding)")
		}
		c.lending.requested = true
		go c.serveAgent(c.client.HandleChannelOpen(agentChannel))
	}
	c.lending.lent++
	return sync.OnceFunc(func() {
		c.lending.mu.Lock()
		c.lending.lent--
		c.lending.mu.Unlock()
	}), nil
}

// serveAgent takes the peer's channels to the agent until the line ends.
func (c *Conn) serveAgent(asked <-chan ssh.NewChannel) {
	for channel := range asked {
		go c.answerAgent(channel)
	}
}

func (c *Conn) answerAgent(asked ssh.NewChannel) {
	c.lending.mu.Lock()
	lent := c.lending.lent > 0
	c.lending.mu.Unlock()
	if !lent {
		_ = asked.Reject(ssh.Prohibited, "no session here forwards an agent")
		return
	}
	socket, err := new(net.Dialer).DialContext(context.Background(), "unix", c.settings.agentSocket)
	if err != nil {
		_ = asked.Reject(ssh.ConnectionFailed, "the agent does not answer")
		return
	}
	defer socket.Close()
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(socket, channel)
		socket.Close()
	}()
	_, _ = io.Copy(channel, socket)
	_ = channel.Close()
}
