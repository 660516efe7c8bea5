package remote

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys is the content of some known_hosts files.
type hostKeys struct {
	check ssh.HostKeyCallback
	// authority has the lines marked @cert-authority: the check reports them
	// among the known keys, but they say nothing about a plain key.
	authority map[place]bool
	// renamed leads from a cleaned copy back to the file itself.
	renamed map[string]string
}

type place struct {
	file string
	line int
}

// loadHostKeys reads the files that exist. A line of a key type that is not
// known here is left out, as OpenSSH does.
func loadHostKeys(files []string) (*hostKeys, error) {
	keys := &hostKeys{authority: map[place]bool{}, renamed: map[string]string{}}
	var readable []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name, err := keys.add(file, text)
		if name != file {
			defer os.Remove(name)
		}
		if err != nil {
			return nil, err
		}
		readable = append(readable, name)
	}
	var err error
	if keys.check, err = knownhosts.New(readable...); err != nil {
		for copied, original := range keys.renamed {
			err = errors.New(strings.ReplaceAll(err.Error(), copied, original))
		}
		return nil, err
	}
	return keys, nil
}

// add notes the authorities of a file and returns under which name it can be
// read as a whole: its own, or that of a copy without the lines that cannot.
func (k *hostKeys) add(file string, text []byte) (string, error) {
	clean, authorities, whole := cleanKnownHosts(text)
	for _, line := range authorities {
		k.authority[place{file, line}] = true
	}
	if whole {
		return file, nil
	}
	copied, err := os.CreateTemp("", "ctys-known-hosts-")
	if err != nil {
		return file, err
	}
	k.renamed[copied.Name()] = file
	_, err = copied.Write(clean)
	return copied.Name(), errors.Join(err, copied.Close())
}

// cleanKnownHosts empties the lines that cannot be parsed and finds the ones
// that name an authority. Lines keep their numbers.
func cleanKnownHosts(text []byte) (clean []byte, authorities []int, whole bool) {
	var out bytes.Buffer
	whole = true
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, len(text)+1)
	for number := 1; scanner.Scan(); number++ {
		line := bytes.Trim(scanner.Bytes(), " \t")
		// The other reader of this file stops at lines of 64 KiB.
		usable := len(line) < bufio.MaxScanTokenSize-2
		if usable && len(line) > 0 && line[0] != '#' {
			marker, _, _, _, _, err := ssh.ParseKnownHosts(line)
			usable = err == nil
			if usable && marker == "cert-authority" {
				authorities = append(authorities, number)
			}
		}
		if usable {
			out.Write(line)
		} else {
			whole = false
		}
		out.WriteByte('\n')
	}
	return out.Bytes(), authorities, whole
}

// The check wants an address and a key to compare; neither is anyone's.
var (
	nowhere   = &net.TCPAddr{IP: net.IPv4zero}
	nobody, _ = ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
)

// known returns the plain keys and the authorities that stand for a host:port.
func (k *hostKeys) known(address string) (plain, authorities []knownhosts.KnownKey) {
	var unknown *knownhosts.KeyError
	if !errors.As(k.check(address, nowhere, nobody), &unknown) {
		return nil, nil
	}
	return k.split(unknown.Want)
}

func (k *hostKeys) split(want []knownhosts.KnownKey) (plain, authorities []knownhosts.KnownKey) {
	for _, key := range want {
		if original, copied := k.renamed[key.Filename]; copied {
			key.Filename = original
		}
		if k.authority[place{key.Filename, key.Line}] {
			authorities = append(authorities, key)
		} else {
			plain = append(plain, key)
		}
	}
	return plain, authorities
}

// algorithms orders what is offered to the peer: first what is known of it, so
// that it shows the key that is known and not a newer one of another type
// (which would look like a changed key). Certificates are asked for only where
// an authority stands for the host.
func (k *hostKeys) algorithms(addresses []string) []string {
	var first []string
	certified := false
	for _, address := range addresses {
		plain, authorities := k.known(address)
		certified = certified || len(authorities) > 0
		for _, key := range plain {
			first = append(first, hostAlgorithms(key.Key.Type())...)
		}
	}
	var certificates, others []string
	for _, algorithm := range ssh.SupportedAlgorithms().HostKeys {
		switch {
		case strings.Contains(algorithm, "-cert-"):
			certificates = append(certificates, algorithm)
		case !slices.Contains(first, algorithm):
			others = append(others, algorithm)
		}
	}
	first = withoutRepeats(first)
	if certified {
		first = append(certificates, first...)
	}
	return append(first, others...)
}

func withoutRepeats(words []string) []string {
	var once []string
	for _, word := range words {
		if !slices.Contains(once, word) {
			once = append(once, word)
		}
	}
	return once
}

// hostAlgorithms are the signature algorithms of a key type (RFC 8332 for RSA)
// that are accepted from a host.
func hostAlgorithms(kind string) []string {
	wanted := []string{kind}
	if kind == ssh.KeyAlgoRSA {
		wanted = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	supported := ssh.SupportedAlgorithms().HostKeys
	return slices.DeleteFunc(wanted, func(algorithm string) bool { return !slices.Contains(supported, algorithm) })
}

// HostKeyProblem says what is wrong with a host key.
type HostKeyProblem string

// The problems of a host key.
const (
	HostKeyUnknown HostKeyProblem = "unknown" // no file knows the host
	HostKeyChanged HostKeyProblem = "changed" // a file knows another key
	HostKeyRevoked HostKeyProblem = "revoked" // a file has it marked @revoked
	HostKeyInvalid HostKeyProblem = "invalid" // a certificate that does not hold
)

// HostKeyError is the cause of an error of kind auth that refused a host key.
type HostKeyError struct {
	Problem     HostKeyProblem
	Host        string // as known_hosts names it: name or [name]:port
	KeyType     string // "ED25519"
	Fingerprint string // "SHA256:…", as ssh-keygen -l prints it
	// Known has FILE:LINE of what speaks against the key.
	Known []string
	// Line is what known_hosts has to say for the key to be accepted.
	Line string
	why  string
}

// Error names the problem; the error around it tells the whole.
func (e *HostKeyError) Error() string { return "host key " + string(e.Problem) }

// tell says what is wrong and where that stands.
func (e *HostKeyError) tell() string {
	key := e.KeyType + " " + e.Fingerprint
	switch e.Problem {
	case HostKeyUnknown:
		return fmt.Sprintf("its host key %s is not known", key)
	case HostKeyChanged:
		return fmt.Sprintf("its host key has CHANGED: it shows %s, but %s has another one; somebody may be in between", key, strings.Join(e.Known, " and "))
	case HostKeyRevoked:
		return fmt.Sprintf("its host key %s is revoked in %s", key, strings.Join(e.Known, " and "))
	}
	return fmt.Sprintf("its host certificate for %s does not hold: %s", key, e.why)
}

// verify compares a key with what is known under the first of the addresses
// and, where that knows nothing, under the next. exact tells of which
// addresses a different key is a changed one: an entry without the port may
// well be about another server of the same machine.
func (k *hostKeys) verify(addresses []hostAddress, key ssh.PublicKey) *HostKeyError {
	problem := &HostKeyError{Problem: HostKeyUnknown, KeyType: keyKind(key), Fingerprint: ssh.FingerprintSHA256(key),
		Host: knownhosts.Normalize(addresses[0].name), Line: knownhosts.Line([]string{addresses[0].name}, key)}
	for _, address := range addresses {
		err := k.check(address.name, nowhere, key)
		var different *knownhosts.KeyError
		var revoked *knownhosts.RevokedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &revoked):
			problem.Problem = HostKeyRevoked
			problem.Known = k.places([]knownhosts.KnownKey{revoked.Revoked})
			return problem
		case errors.As(err, &different):
			plain, _ := k.split(different.Want)
			if len(plain) > 0 && address.exact {
				problem.Problem, problem.Known = HostKeyChanged, k.places(plain)
				return problem
			}
		default:
			problem.Problem, problem.why = HostKeyInvalid, strings.TrimPrefix(err.Error(), "ssh: ")
			if _, authorities := k.known(address.name); len(authorities) > 0 {
				return problem
			}
		}
	}
	return problem
}

func (k *hostKeys) places(keys []knownhosts.KnownKey) []string {
	var places []string
	plain, authorities := k.split(keys)
	for _, key := range append(plain, authorities...) {
		places = append(places, fmt.Sprintf("%s:%d", key.Filename, key.Line))
	}
	return places
}

// hostAddress is one name that a host may be known by, as host:port.
type hostAddress struct {
	name  string
	exact bool
}

// hostAddresses are the names that known_hosts may know a machine by: its name
// with the port, as ssh(1) does also without the port, and where the inventory
// gives an address, that.
func (s *settings) hostAddresses() []hostAddress {
	addresses := []hostAddress{{s.keyAddress(), true}}
	if s.keyAlias != "" {
		return addresses
	}
	if s.port != 22 {
		addresses = append(addresses, hostAddress{net.JoinHostPort(s.name, "22"), false})
	}
	if s.address != s.name {
		addresses = append(addresses, hostAddress{s.endpoint(), true})
		if s.port != 22 {
			addresses = append(addresses, hostAddress{net.JoinHostPort(s.address, "22"), false})
		}
	}
	return addresses
}

func addressNames(addresses []hostAddress) []string {
	names := make([]string, len(addresses))
	for i, address := range addresses {
		names[i] = address.name
	}
	return names
}
