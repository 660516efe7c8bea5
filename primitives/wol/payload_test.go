package wol

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"ctys/primitives"
)

var someMAC = primitives.MAC{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}

func TestPayload(t *testing.T) {
	body := strings.Repeat("ff", 6) + strings.Repeat("525400123456", 16)
	tests := []struct {
		name     string
		mac      primitives.MAC
		password []byte
		want     string // hexadecimal; empty: invalid
	}{
		{"plain", someMAC, nil, body},
		{"empty password", someMAC, []byte{}, body},
		{"four bytes", someMAC, []byte{192, 168, 1, 1}, body + "c0a80101"},
		{"six bytes", someMAC, []byte{0, 0x22, 0x44, 0x66, 0x88, 0xaa}, body + "0022446688aa"},
		{"no MAC", primitives.MAC{}, nil, ""},
		{"one byte", someMAC, make([]byte, 1), ""},
		{"three bytes", someMAC, make([]byte, 3), ""},
		{"five bytes", someMAC, make([]byte, 5), ""},
		{"seven bytes", someMAC, make([]byte, 7), ""},
		{"many bytes", someMAC, make([]byte, 1024), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Payload(test.mac, test.password)
			if test.want == "" {
				if primitives.KindOf(err) != primitives.Invalid {
					t.Fatalf("got %x, %v; want kind invalid", got, err)
				}
				return
			}
			if err != nil || hex.EncodeToString(got) != test.want {
				t.Fatalf("got %x, %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestPayloadLeavesItsArgumentsAlone(t *testing.T) {
	password := []byte{1, 2, 3, 4}
	payload, err := Payload(someMAC, password)
	if err != nil {
		t.Fatal(err)
	}
	payload[len(payload)-1] = 9
	if !bytes.Equal(password, []byte{1, 2, 3, 4}) {
		t.Fatal("the packet shares memory with the password")
	}
}

func TestFrame(t *testing.T) {
	source := primitives.MAC{2, 0, 0, 0, 0, 1}
	got := frame(broadcast, source, []byte{0xaa, 0xbb})
	want := "ffffffffffff" + "020000000001" + "0842" + "aabb"
	if hex.EncodeToString(got) != want {
		t.Fatalf("got %x, want %s", got, want)
	}
}
