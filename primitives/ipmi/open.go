package ipmi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// login is who opens a session, where, and with which privilege.
type login struct {
	address   string
	user      string
	password  string
	privilege types.PrivilegeLevel
}

// open sets a session up: with the suite that the BMC took before, else with
// those it names, else with each preferred one in turn, best first. What is
// lost on the way is tried again until ctx ends.
func open(ctx context.Context, clock primitives.Clock, bmc *bmc, who login) (*session, error) {
	if bmc.proven {
		s, err := tryEach(ctx, clock, bmc, who, []types.CipherSuiteID{bmc.suite}, 2)
		if err == nil || kindOf(err) != primitives.Unsupported {
			return s, err
		}
		bmc.forget()
	}
	patience := within(remaining(ctx, clock)/8, 200*time.Millisecond, 2*time.Second)
	suites, err := discover(ctx, clock, who.address, patience)
	if err != nil {
		return nil, noWay(ctx, clock, err)
	}
	if len(suites) > 0 {
		return tryEach(ctx, clock, bmc, who, suites, 2)
	}
	// It did not say, or nothing of use. A BMC may drop a proposal that it
	// does not know without a word, so that each gets a small share only.
	return tryEach(ctx, clock, bmc, who, preferred, 8)
}

// maxDoubts is how often a refusal is asked again that a doubled packet may have
// caused. More would be guessing at the password, which locks accounts.
const maxDoubts = 2

// tryEach tries the suites in turn, each with one part in parts of the time
// that is left, round after round.
func tryEach(ctx context.Context, clock primitives.Clock, bmc *bmc, who login, suites []types.CipherSuiteID, parts time.Duration) (*session, error) {
	tried, doubts := suites, 0
	var last error
	for len(suites) > 0 {
		for _, suite := range slices.Clone(suites) {
			patience := within(remaining(ctx, clock)/parts, 200*time.Millisecond, 5*time.Second)
			s, err := attempt(ctx, clock, who, suite, patience)
			var doubtful *doubt
			switch {
			case err == nil:
				bmc.remember(suite)
				return s, nil
			case over(ctx, clock):
				return nil, ended(ctx, silence(tried))
			case errors.Is(err, errLost):
			case errors.As(err, &doubtful) && doubts < maxDoubts:
				doubts++
			case kindOf(err) == primitives.Unsupported:
				last = err
				suites = slices.DeleteFunc(slices.Clone(suites), func(id types.CipherSuiteID) bool { return id == suite })
			default:
				return nil, err
			}
		}
	}
	return nil, failed(primitives.Unsupported, "the BMC takes none of the "+names(tried)+
		", and weaker ones are not used; enable one of them on it", last)
}

// attempt opens a session with one suite on a socket of its own, so that late
// replies to an earlier attempt cannot disturb it.
func attempt(ctx context.Context, clock primitives.Clock, who login, suite types.CipherSuiteID, patience time.Duration) (*session, error) {
	wire, err := dial(ctx, who.address)
	if err != nil {
		return nil, noWay(ctx, clock, err)
	}
	ctx, cancel := primitives.WithTimeout(ctx, clock, patience)
	defer cancel()
	lib, err := client.NewClient("", 0, who.user, who.password)
	if err != nil {
		_ = wire.Close()
		return nil, failed(primitives.Invalid, "the library refuses the account", err)
	}
	lib.WithUDPProxy(wire).WithCipherSuiteID(suite).WithMaxPrivilegeLevel(who.privilege)
	s := &session{clock: clock, lib: lib, wire: wire}
	if err := s.handshake(ctx, suite, who, patience); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

// handshakePackets is how many packets the set-up takes where none is lost.
const handshakePackets = 3

// handshake is the activation of an RMCP+ session (IPMI 2.0, 13.15). A packet
// whose reply does not come is sent again as it was.
func (s *session) handshake(ctx context.Context, suite types.CipherSuiteID, who login, patience time.Duration) error {
	interval := within(patience/8, 100*time.Millisecond, 500*time.Millisecond)
	s.lib.WithTimeout(interval).WithRetry(int(patience / interval))

	if err := s.exchangeKeys(ctx, suite, who); err != nil {
		err = s.verdict(ctx, err)
		if !errors.Is(err, errLost) && !s.wire.smooth(handshakePackets) {
			return &doubt{err}
		}
		return err
	}
	s.active = true
	if who.privilege <= types.PrivilegeLevelUser {
		return nil // the level at which every session starts (22.18)
	}
	return s.raise(ctx, who.privilege)
}

// doubt marks a refusal in a set-up in which a packet was sent or came more
// than once: a BMC may have taken the second one for a new beginning.
type doubt struct{ error }

func (d *doubt) Unwrap() error { return d.error }

func (s *session) exchangeKeys(ctx context.Context, suite types.CipherSuiteID, who login) error {
	opened, err := s.lib.OpenSession(ctx)
	if err != nil {
		return err
	}
	// The library would go on with whatever was answered, also with none.
	auth, integrity, crypt, _ := types.GetCipherSuiteAlgorithms(suite)
	if opened.AuthAlg != uint8(auth) || opened.IntegrityAlg != uint8(integrity) || opened.CryptAlg != uint8(crypt) {
		return failed(primitives.Unsupported, fmt.Sprintf("the BMC answered cipher suite %d with other algorithms than those proposed", suite), nil)
	}
	reply, err := s.lib.RAKPMessage1(ctx)
	if err != nil {
		return err
	}
	if err := s.wire.secure(suite, opened.RemoteConsoleSessionID, reply.ManagedSystemRandomNumber[:], who); err != nil {
		return err
	}
	_, err = s.lib.RAKPMessage3(ctx)
	return err
}

// raise sets the privilege level of the session (IPMI 2.0, 22.18). The codes
// 80h and 81h of this command say that the account may not have it.
func (s *session) raise(ctx context.Context, privilege types.PrivilegeLevel) error {
	err := s.repeat(ctx, func(ctx context.Context) error {
		_, err := s.lib.SetSessionPrivilegeLevel(ctx, privilege)
		var completion *types.ResponseError
		if errors.As(err, &completion) {
			switch completion.CompletionCode() {
			case types.CodeSetSessionPrivilegeLevelLevelNotAvailable, types.CodeSetSessionPrivilegeLevelExceedsLimit:
				return failed(primitives.Denied, fmt.Sprintf("the account may not have the privilege level %s on this BMC", privilege), nil)
			}
		}
		return err
	})
	if err != nil && over(ctx, s.clock) {
		return errLost // in this attempt; another one may follow
	}
	return err
}

// kindOf is the kind of an error of this package.
func kindOf(err error) primitives.Kind {
	var own *failure
	if errors.As(err, &own) {
		return own.kind
	}
	return primitives.KindOf(err)
}

// noWay is the failure where not even a socket to the BMC could be used.
func noWay(ctx context.Context, clock primitives.Clock, err error) error {
	if over(ctx, clock) {
		return ended(ctx, "the time was over before the name of the BMC was found or a packet sent")
	}
	if known := answer(err); known != err {
		return known
	}
	return failed(primitives.Unreachable, "no socket to the BMC", err)
}

func silence(suites []types.CipherSuiteID) string {
	return "no reply to the session set-up (" + names(suites) +
		" tried): is the BMC powered, is IPMI over LAN enabled on it, does its UDP port reach here?"
}

// names lists cipher suites for a message.
func names(suites []types.CipherSuiteID) string {
	var numbers []string
	for _, suite := range suites {
		numbers = append(numbers, fmt.Sprint(uint8(suite)))
	}
	if len(numbers) == 1 {
		return "cipher suite " + numbers[0]
	}
	return "cipher suites " + strings.Join(numbers, " and ")
}
