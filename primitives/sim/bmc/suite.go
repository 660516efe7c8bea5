package bmc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
)

// suite is one cipher suite (22.15.2). Suite 0, which lets anybody in, is left
// out on purpose.
type suite struct {
	id                                         byte
	authentication, integrity, confidentiality byte // algorithm numbers (13.28)
	hash                                       func() hash.Hash
	checkLength                                int // of a truncated code
}

var suites = []suite{
	{id: 3, authentication: 1, integrity: 1, confidentiality: 1, hash: sha1.New, checkLength: 12},
	{id: 17, authentication: 3, integrity: 4, confidentiality: 1, hash: sha256.New, checkLength: 16},
}

// choose picks the suite that fits the three algorithm payloads of Open
// Session (13.17). A payload of length zero leaves the choice to the BMC.
func choose(payloads []byte) (suite, bool) {
	fits := func(algorithm, place byte) bool {
		part := payloads[place*8:]
		return part[0] == place && (part[3] == 0 || part[4]&0x3f == algorithm)
	}
	for _, s := range suites {
		if fits(s.authentication, 0) && fits(s.integrity, 1) && fits(s.confidentiality, 2) {
			return s, true
		}
	}
	return suite{}, false
}

// records are the suites as Get Channel Cipher Suites lists them (22.15.1).
func records() []byte {
	var list []byte
	for _, s := range suites {
		list = append(list, 0xc0, s.id, s.authentication, 0x40|s.integrity, 0x80|s.confidentiality)
	}
	return list
}

func (s suite) mac(key, text []byte) []byte {
	code := hmac.New(s.hash, key)
	code.Write(text)
	return code.Sum(nil)
}

// check is the truncated code of packets and of RAKP message 4.
func (s suite) check(key, text []byte) []byte { return s.mac(key, text)[:s.checkLength] }

// constant is Const 1 and Const 2 of 13.32.
func constant(n byte) []byte { return bytes.Repeat([]byte{n}, 20) }

// encrypt is AES-CBC-128 with a confidentiality header and trailer (13.29).
func encrypt(k2, plain []byte) []byte {
	pad := (aes.BlockSize - (len(plain)+1)%aes.BlockSize) % aes.BlockSize
	text := append([]byte(nil), plain...)
	for i := range pad {
		text = append(text, byte(i+1))
	}
	text = append(text, byte(pad))
	sealed := make([]byte, aes.BlockSize+len(text))
	_, _ = rand.Read(sealed[:aes.BlockSize])
	block, _ := aes.NewCipher(k2[:16]) // 16 bytes are always a key
	cipher.NewCBCEncrypter(block, sealed[:aes.BlockSize]).CryptBlocks(sealed[aes.BlockSize:], text)
	return sealed
}

func decrypt(k2, sealed []byte) ([]byte, bool) {
	if len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, false
	}
	block, _ := aes.NewCipher(k2[:16])
	text := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, sealed[:aes.BlockSize]).CryptBlocks(text, sealed[aes.BlockSize:])
	pad := int(text[len(text)-1])
	if pad >= aes.BlockSize || pad+1 > len(text) {
		return nil, false
	}
	return text[:len(text)-1-pad], true
}
