package remote

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/tests/testneed"
)

// terminalSays runs a line on a terminal there.
func terminalSays(t *testing.T, conn *Conn, line string, forward bool) (string, error) {
	t.Helper()
	var out bytes.Buffer
	_, err := conn.Terminal(limited(t), TerminalRequest{In: strings.NewReader(""), Out: &out, Line: line, ForwardAgent: forward})
	return out.String(), err
}

func TestAgentIsForwarded(t *testing.T) {
	testneed.SSHTerminal(t)
	h, s := desk(t)
	list := testneed.Program(t, "ssh-add", "openssh-client") + " -L 2>&1; echo socket=$SSH_AUTH_SOCK."
	other := filepath.Join(h.dir, "other")
	keygen(t, other, "ed25519", "")
	options := h.options()
	options.AgentSocket = startAgent(t, other)
	public := strings.Fields(read(t, other+".pub"))[1]

	conn := connect(t, options, s.target())
	for range 2 { // on one line, one session after the other
		if out, err := terminalSays(t, conn, list, true); err != nil || !strings.Contains(out, public) {
			t.Errorf("%v, %q", err, out)
		}
	}
	if out, err := terminalSays(t, conn, list, false); err != nil || strings.Contains(out, public) {
		t.Errorf("nobody asked for it: %v, %q", err, out)
	}
}

func TestNoAgentToForward(t *testing.T) {
	testneed.SSHTerminal(t)
	h, s := desk(t)
	options := h.options()
	if _, err := terminalSays(t, connect(t, options, s.target()), "true", true); primitives.KindOf(err) != primitives.Unsupported || !strings.Contains(err.Error(), "SSH_AUTH_SOCK") {
		t.Errorf("%v", err)
	}
}

func TestForwardingRefused(t *testing.T) {
	testneed.SSHTerminal(t)
	h, s := desk(t, "AllowAgentForwarding no")
	options := h.options()
	options.AgentSocket = startAgent(t)
	if _, err := terminalSays(t, connect(t, options, s.target()), "true", true); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("%v", err)
	}
}
