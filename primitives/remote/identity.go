package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
)

// identities keeps unlocked identity files, so that a passphrase is asked for
// once however many hosts want the key.
type identities struct {
	prompt func(ctx context.Context, question string) (string, error)

	asking   sync.Mutex // held while the person is asked, so one question at a time
	mu       sync.Mutex
	unlocked map[string]ssh.Signer
	refused  map[string]error
}

// As ssh does before it gives a key up.
const passphraseTries = 3

var errNoPrompt = errors.New("it is encrypted and nobody can be asked for its passphrase: add it to an agent (ssh-add)")

// identityFile is one file that may hold a private key, with what is known of
// its public part.
type identityFile struct {
	path string
	pem  []byte
	// public is nil where only the passphrase would tell.
	public ssh.PublicKey
	// signer is nil where the key is encrypted.
	signer ssh.Signer
	// certificate is that of PATH-cert.pub, where there is one.
	certificate *ssh.Certificate
}

// readIdentity reads path and what lies beside it. A file that has only a
// public key, or only PATH.pub, gives an identity that the agent may hold.
func readIdentity(path string) (*identityFile, error) {
	identity := &identityFile{path: path, certificate: readCertificate(path + "-cert.pub")}
	text, err := os.ReadFile(path)
	if err != nil {
		if public := readPublic(path + ".pub"); public != nil {
			identity.public = public
			return identity, nil
		}
		return nil, err
	}
	identity.signer, err = ssh.ParsePrivateKey(text)
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		identity.public = identity.signer.PublicKey()
	case errors.As(err, &missing):
		identity.pem = text
		if identity.public = missing.PublicKey; identity.public == nil {
			identity.public = readPublic(path + ".pub")
		}
	default:
		public, _, _, _, publicErr := ssh.ParseAuthorizedKey(text)
		if publicErr != nil {
			return nil, err
		}
		identity.public = public
	}
	return identity, nil
}

func readPublic(path string) ssh.PublicKey {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return key
}

func readCertificate(path string) *ssh.Certificate {
	certificate, _ := readPublic(path).(*ssh.Certificate)
	return certificate
}

// holdsPrivate tells whether the file itself can sign.
func (f *identityFile) holdsPrivate() bool { return f.signer != nil || f.pem != nil }

// signerOf gives the key of an identity file. An encrypted key whose public
// part is known is unlocked only when the peer has said that it would do.
func (i *identities) signerOf(ctx context.Context, file *identityFile) (ssh.Signer, error) {
	switch {
	case file.signer != nil:
		return file.signer, nil
	case file.public != nil:
		return &lockedSigner{ctx: ctx, identities: i, file: file}, nil
	}
	return i.unlock(ctx, file)
}

func (i *identities) unlock(ctx context.Context, file *identityFile) (ssh.Signer, error) {
	if signer, err := i.remembered(file.path); signer != nil || err != nil {
		return signer, err
	}
	if i.prompt == nil {
		return nil, errNoPrompt
	}
	i.asking.Lock()
	defer i.asking.Unlock()
	if signer, err := i.remembered(file.path); signer != nil || err != nil {
		return signer, err
	}
	signer, err := i.ask(ctx, file)
	if ctx.Err() == nil {
		i.remember(file.path, signer, err)
	}
	return signer, err
}

func (i *identities) ask(ctx context.Context, file *identityFile) (ssh.Signer, error) {
	for try := 0; try < passphraseTries; try++ {
		passphrase, err := i.prompt(ctx, fmt.Sprintf("Passphrase for %s: ", file.path))
		if err != nil {
			return nil, fmt.Errorf("its passphrase was not given: %w", err)
		}
		if signer, err := ssh.ParsePrivateKeyWithPassphrase(file.pem, []byte(passphrase)); err == nil {
			return signer, nil
		}
	}
	return nil, errors.New("its passphrase was wrong")
}

func (i *identities) remembered(path string) (ssh.Signer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.unlocked[path], i.refused[path]
}

func (i *identities) remember(path string, signer ssh.Signer, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.unlocked == nil {
		i.unlocked, i.refused = map[string]ssh.Signer{}, map[string]error{}
	}
	if err != nil {
		i.refused[path] = err
		return
	}
	i.unlocked[path] = signer
}

// lockedSigner shows its public key and asks for the passphrase when it has to
// sign.
type lockedSigner struct {
	ctx        context.Context
	identities *identities
	file       *identityFile
}

func (s *lockedSigner) PublicKey() ssh.PublicKey { return s.file.public }

func (s *lockedSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

func (s *lockedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := s.identities.unlock(s.ctx, s.file)
	if err != nil {
		return nil, err
	}
	if !sameKey(signer.PublicKey(), s.file.public) {
		return nil, fmt.Errorf("%s.pub belongs to another key", s.file.path)
	}
	if able, ok := signer.(ssh.AlgorithmSigner); ok {
		return able.SignWithAlgorithm(rand, data, algorithm)
	}
	return signer.Sign(rand, data)
}

func sameKey(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && bytes.Equal(a.Marshal(), b.Marshal())
}
