package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// credential is one key to try.
type credential struct {
	name   string
	public ssh.PublicKey // nil where not known before it is opened
	open   func() (ssh.Signer, error)
}

// login tries the credentials of one machine, one after the other, and notes
// what came of each, never its value.
type login struct {
	ctx      context.Context
	settings *settings
	patience *patience
	keys     []credential
	tried    []string
	notes    []string // why a credential could not be tried
	begun    bool
	failure  error // why the password could not be had
	agent    net.Conn
	asked    map[string]bool
}

var errExhausted = errors.New("no credential was accepted")

// prepare collects the keys in the order in which they are tried: the ones
// that were asked for, from the agent where it has them and from their files,
// then the agent's others, then OpenSSH's default files.
func (c *Client) prepare(ctx context.Context, s *settings, p *patience) *login {
	l := &login{ctx: ctx, settings: s, patience: p, asked: map[string]bool{}}
	held := l.agentKeys()
	named := l.fileKeys(&c.identity, held)
	var others []credential
	if !s.identitiesOnly {
		for _, signer := range held {
			others = append(others, l.agentCredential(signer))
		}
	}
	if s.defaults {
		l.keys = unique(append(others, named...))
	} else {
		l.keys = unique(append(named, others...))
	}
	return l
}

func (l *login) close() {
	if l.agent != nil {
		l.agent.Close()
	}
}

func (l *login) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

func (l *login) agentKeys() []ssh.Signer {
	if l.settings.agentSocket == "" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(l.ctx, "unix", l.settings.agentSocket)
	if err != nil {
		l.note("agent: %v", err)
		return nil
	}
	l.agent = conn
	// The agent's protocol knows no cancelling: closing its socket is one.
	context.AfterFunc(l.ctx, func() { conn.Close() })
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		l.note("agent: %v", err)
	}
	return signers
}

func (l *login) agentCredential(signer ssh.Signer) credential {
	return credential{name: "agent key " + describe(signer.PublicKey()), public: signer.PublicKey(),
		open: func() (ssh.Signer, error) { return signer, nil }}
}

// fileKeys gives the keys of the identity files; where the agent holds the
// same key, the agent's, since that needs no passphrase.
func (l *login) fileKeys(known *identities, held []ssh.Signer) []credential {
	var keys []credential
	for _, path := range l.settings.identityFiles {
		file, err := readIdentity(path)
		if err != nil {
			if !l.settings.defaults || !errors.Is(err, os.ErrNotExist) {
				l.note("file %s: %s", path, plainFileError(err))
			}
			continue
		}
		for _, signer := range held {
			if sameKey(signer.PublicKey(), file.public) {
				keys = append(keys, l.agentCredential(signer))
			}
		}
		if !file.holdsPrivate() {
			continue
		}
		open := func() (ssh.Signer, error) { return known.signerOf(l.ctx, file) }
		if file.certificate != nil {
			keys = append(keys, credential{name: "certificate " + path + "-cert.pub", public: file.certificate,
				open: func() (ssh.Signer, error) {
					signer, err := open()
					if err != nil {
						return nil, err
					}
					return ssh.NewCertSigner(file.certificate, signer)
				}})
		}
		keys = append(keys, credential{name: "file " + path, public: file.public, open: open})
	}
	return keys
}

func plainFileError(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "ssh: ")
}

// unique leaves out a key that comes a second time: each costs one of the
// tries that a server allows.
func unique(keys []credential) []credential {
	seen := map[string]bool{}
	return slices.DeleteFunc(keys, func(key credential) bool {
		if key.public == nil {
			return false
		}
		blob := string(key.public.Marshal())
		again := seen[blob]
		seen[blob] = true
		return again
	})
}

func describe(key ssh.PublicKey) string {
	return keyKind(key) + " " + ssh.FingerprintSHA256(key)
}

// keyKind is the short name that ssh-keygen -l prints.
func keyKind(key ssh.PublicKey) string {
	kind := key.Type()
	if certificate := certificateOf(key); certificate != nil {
		kind = certificate.Key.Type() + "-cert"
	}
	kind = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(kind, "sk-"), "ssh-"), "@openssh.com")
	if strings.HasPrefix(kind, "ecdsa-") {
		kind = "ecdsa"
	}
	return strings.ToUpper(kind)
}

// next is the ssh.ClientAuthCallback: which credential to try now. It gives
// one at a time, so that one key that cannot sign does not end the attempt.
func (l *login) next(state *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.begun = true
	l.patience.renew()
	if slices.Contains(state.AllowedMethods, "publickey") {
		if method := l.nextKey(); method != nil {
			return method, nil
		}
	}
	if !l.settings.password.IsZero() {
		if l.allowed(state, "keyboard-interactive") {
			return ssh.KeyboardInteractive(l.answer()), nil
		}
		if l.allowed(state, "password") {
			return ssh.PasswordCallback(func() (string, error) {
				l.tried = append(l.tried, "password")
				return l.password()
			}), nil
		}
	}
	if l.failure != nil {
		return nil, l.failure
	}
	return nil, errExhausted
}

func (l *login) allowed(state *ssh.ClientAuthContext, method string) bool {
	if l.asked[method] || l.failure != nil || !slices.Contains(state.AllowedMethods, method) {
		return false
	}
	l.asked[method] = true
	return true
}

func (l *login) nextKey() ssh.AuthMethod {
	for len(l.keys) > 0 {
		key := l.keys[0]
		l.keys = l.keys[1:]
		signer, err := l.open(key)
		if err != nil {
			l.note("%s: %s", key.name, plainFileError(err))
			continue
		}
		l.tried = append(l.tried, key.name)
		return ssh.PublicKeys(&patientSigner{Signer: signer, login: l, name: key.name})
	}
	return nil
}

func (l *login) open(key credential) (ssh.Signer, error) {
	l.patience.pause()
	defer l.patience.renew()
	return key.open()
}

// password reveals the password at the moment of use.
func (l *login) password() (string, error) {
	l.patience.pause()
	defer l.patience.renew()
	value, err := l.settings.password.Reveal(l.ctx)
	if err != nil {
		l.failure = fmt.Errorf("the password could not be had: %w", err)
	}
	return value, err
}

// answer gives the password to the first question that is not echoed. A second
// one means that it was wrong or that something else is asked for.
func (l *login) answer() ssh.KeyboardInteractiveChallenge {
	answered := false
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		l.patience.renew()
		if len(questions) == 0 {
			return nil, nil
		}
		if answered || len(questions) != 1 || len(echos) != 1 || echos[0] {
			l.note("keyboard-interactive: the peer asks for more than a password (%s)", cleanText(strings.Join(questions, " ")))
			return nil, errors.New("a question that a password does not answer")
		}
		answered = true
		l.tried = append(l.tried, "password (keyboard-interactive)")
		value, err := l.password()
		if err != nil {
			return nil, err
		}
		return []string{value}, nil
	}
}

// summary says what was tried and what could not be.
func (l *login) summary() string {
	said := "nothing was tried: there is no key in the agent or in a file, and no password"
	if len(l.tried) > 0 {
		said = "tried " + strings.Join(l.tried, ", ")
	}
	if len(l.notes) > 0 {
		said += "; not usable: " + strings.Join(l.notes, ", ")
	}
	return said
}

// patientSigner lets a person take their time (a passphrase, the touch of a
// token, the agent's own question), and notes why a key did not sign.
type patientSigner struct {
	ssh.Signer
	login *login
	name  string
}

func (s *patientSigner) Algorithms() []string {
	if able, ok := s.Signer.(ssh.MultiAlgorithmSigner); ok {
		return able.Algorithms()
	}
	return signatureAlgorithms(s.PublicKey())
}

func (s *patientSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s.login.patience.pause()
	defer s.login.patience.renew()
	signature, err := s.sign(rand, data, algorithm)
	if err != nil {
		s.login.note("%s: %s", s.name, plainFileError(err))
	}
	return signature, err
}

func (s *patientSigner) sign(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if able, ok := s.Signer.(ssh.AlgorithmSigner); ok {
		return able.SignWithAlgorithm(rand, data, algorithm)
	}
	return s.Signer.Sign(rand, data)
}

// signatureAlgorithms are the ones a key of this type can sign with, best
// first. RSA ends with SHA-1, which only a peer that does not speak of RFC 8332
// gets to see.
func signatureAlgorithms(key ssh.PublicKey) []string {
	kind := key.Type()
	if certificate := certificateOf(key); certificate != nil {
		kind = certificate.Key.Type()
	}
	if kind == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{kind}
}

// certificateOf gives the certificate that key is, or nil. The agent's keys
// are opaque and have to be parsed for it.
func certificateOf(key ssh.PublicKey) *ssh.Certificate {
	if certificate, ok := key.(*ssh.Certificate); ok {
		return certificate
	}
	if _, opaque := key.(*agent.Key); !opaque {
		return nil
	}
	parsed, err := ssh.ParsePublicKey(key.Marshal())
	if err != nil {
		return nil
	}
	certificate, _ := parsed.(*ssh.Certificate)
	return certificate
}
