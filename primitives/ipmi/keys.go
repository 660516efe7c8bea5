package ipmi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/protocol"
	"github.com/bougou/go-ipmi/pkg/types"
)

// keys prove and hide the packets of one session (13.28.4, 13.29). What is made
// of them is made once for all packets. One goroutine uses them.
type keys struct {
	integrity types.IntegrityAlg
	mac       hash.Hash
	codeSize  int
	block     cipher.Block
}

// derive takes K1, which proves, and K2, which hides (13.32).
func (k *keys) derive(k1, k2 []byte) (err error) {
	switch k.integrity {
	case types.IntegrityAlg_HMAC_SHA1_96:
		k.mac = hmac.New(sha1.New, k1)
	case types.IntegrityAlg_HMAC_SHA256_128:
		k.mac = hmac.New(sha256.New, k1)
	default:
		return fmt.Errorf("the integrity algorithm %#x is not among those of the suites that are used", uint8(k.integrity))
	}
	k.codeSize, _ = crypto.IntegrityAuthCodeLen(k.integrity)
	const keySize = 16 // of AES-CBC-128
	k.block, err = aes.NewCipher(k2[:keySize])
	return err
}

// code is the integrity code of what it covers.
func (k *keys) code(covered []byte) []byte {
	k.mac.Reset()
	k.mac.Write(covered)
	return k.mac.Sum(nil)[:k.codeSize]
}

// seal makes the packet that carries a message to the session id of the BMC.
func (k *keys) seal(session, sequence uint32, message []byte) []byte {
	padded := crypto.PadAES(message)
	payload := append(crypto.RandomBytes(aes.BlockSize), padded...)
	cipher.NewCBCEncrypter(k.block, payload[:aes.BlockSize]).CryptBlocks(payload[aes.BlockSize:], padded)
	packet := protocol.BuildRMCPPlusPacket(uint8(types.PayloadTypeIPMI), encrypted|authenticated, session, sequence, payload)
	pad := types.IntegrityPadLen(payloadOffset-authTypeOffset, len(payload))
	for range pad {
		packet = append(packet, 0xff)
	}
	packet = append(packet, byte(pad), nextHeader)
	return append(packet, k.code(packet[authTypeOffset:])...)
}

// prove tells whether an RMCP+ packet is encrypted and has the right integrity
// code (13.28.4), so that only the BMC can have sent it.
func (k *keys) prove(packet []byte) bool {
	if packet[payloadTypeOffset] != uint8(types.PayloadTypeIPMI)|encrypted|authenticated {
		return false
	}
	const padLengthAndNextHeader = 2
	covered := len(packet) - k.codeSize
	if covered < payloadOffset+payloadLength(packet)+padLengthAndNextHeader {
		return false
	}
	return hmac.Equal(k.code(packet[authTypeOffset:covered]), packet[covered:])
}

// open decrypts the payload of a proven packet.
func (k *keys) open(packet []byte) ([]byte, bool) {
	payload := payloadOf(packet)
	if len(payload) < 2*aes.BlockSize || len(payload)%aes.BlockSize != 0 {
		return nil, false
	}
	padded := make([]byte, len(payload)-aes.BlockSize)
	cipher.NewCBCDecrypter(k.block, payload[:aes.BlockSize]).CryptBlocks(padded, payload[aes.BlockSize:])
	message, err := crypto.UnpadAES(padded)
	return message, err == nil
}
