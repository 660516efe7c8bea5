package wol

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"ctys/primitives"
)

func TestParsePassword(t *testing.T) {
	for text, want := range map[string]string{
		"00:22:44:66:88:aa":     "0022446688aa",
		"00-22-44-66-88-AA":     "0022446688aa",
		"0:2:4:6:8:a":           "00020406080a",
		"00:22:44:66":           "00224466",
		"00-22-44-66":           "00224466",
		"192.168.1.1":           "c0a80101",
		"0.0.0.0":               "00000000",
		"255.255.255.255":       "ffffffff",
		"010.001.000.009":       "0a010009",
		" 192.168.1.1\r\n":      "c0a80101",
		"\tde:ad:be:ef:00:01\n": "deadbeef0001",
	} {
		got, err := ParsePassword(text)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%q: got %x, %v; want %s", text, got, err, want)
		}
	}
}

var malformedPasswords = []string{
	"", " ", "\n", "secret", "0", "001122334455", ":", "::", ":::::", "...", "-----",
	"00:22:44", "00:22:44:66:88", "00:22:44:66:88:aa:cc", "00:22:44:66:88:", ":22:44:66:88:aa",
	"00:22:44:66:88:gg", "00:22:44:66:88:0aa", "00:22-44:66:88:aa", "00 22 44 66 88 aa",
	"00:22:44:66:88:aa trailing", "0x00:22:44:66", "+1:22:44:66", "1_0:22:44:66",
	"192.168.1", "192.168.1.1.1", "192.168.1.256", "192.168.1.-1", "192.168.1.a", "192.168.1.", "192.168.1.0001",
	"192.168.1:1", "00:22:44:6é", "００:22:44:66", "00:22:44:66:88:a\x00",
}

func TestParsePasswordRefuses(t *testing.T) {
	for _, text := range malformedPasswords {
		got, err := ParsePassword(text)
		if primitives.KindOf(err) != primitives.Invalid || got != nil {
			t.Errorf("%q: got %x, %v; want kind invalid", text, got, err)
		}
	}
}

func TestPasswordErrorsHideTheText(t *testing.T) {
	for _, text := range []string{"hunter-two", "c0ffee", "ca:fe:ba:be:xx:77", "201.202.203.999", "ca:fe:ba:be:77"} {
		_, err := ParsePassword(text)
		if err == nil {
			t.Fatalf("%q was accepted", text)
		}
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(":-.", r) }) {
			if len(part) > 1 && strings.Contains(err.Error(), part) {
				t.Errorf("the error for %q shows %q: %v", text, part, err)
			}
		}
	}
}

func FuzzParsePassword(f *testing.F) {
	for _, text := range malformedPasswords {
		f.Add(text)
	}
	f.Add("00:22:44:66:88:aa")
	f.Add("192.168.1.1")
	f.Fuzz(func(t *testing.T, text string) {
		password, err := ParsePassword(text)
		if err != nil {
			if primitives.KindOf(err) != primitives.Invalid {
				t.Fatalf("%q: kind %s", text, primitives.KindOf(err))
			}
			return
		}
		if _, err := Payload(someMAC, password); err != nil {
			t.Fatalf("%q gave a password that no packet takes: %v", text, err)
		}
		again, err := ParsePassword(strings.ReplaceAll(fmt.Sprintf("% x", password), " ", ":"))
		if err != nil || string(again) != string(password) {
			t.Fatalf("%q: %x printed and read again is %x, %v", text, password, again, err)
		}
	})
}
