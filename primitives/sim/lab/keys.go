package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/crypto/ssh"
)

// The files of the lab's keys.
const (
	identityFile = "id_lab"      // of whoever may log in
	hostKeyFile  = "ssh_host_ed" // of every machine
)

func (l *Lab) loadKeys() error {
	if err := l.makeDir(); err != nil {
		return err
	}
	var err error
	if l.host, err = loadKey(l.path(hostKeyFile)); err != nil {
		return err
	}
	identity, err := loadKey(l.path(identityFile))
	if err != nil {
		return err
	}
	l.client = identity.PublicKey()
	return os.WriteFile(l.path(identityFile)+".pub", ssh.MarshalAuthorizedKey(l.client), 0o644)
}

// loadKey reads a private key, or makes one where there is none.
func loadKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(text)
}

func makeKey(path string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "ctys lab")
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	return text, os.WriteFile(path, text, 0o600)
}
