package primitives

import (
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	const plain = "52:54:00:12:34:56"
	for text, want := range map[string]string{
		plain:                                plain,
		"52-54-00-12-34-56":                  plain,
		"5254.0012.3456":                     plain,
		"5254-0012-3456":                     plain,
		"525400-123456":                      plain,
		"DEAD-beef-0001":                     "de:ad:be:ef:00:01",
		"525400123456":                       plain,
		"0x525400123456":                     plain,
		"0X525400123456":                     plain,
		"52:54:0:12:34:56":                   plain,
		"52-54-0-12-34-56":                   plain,
		"DE:AD:BE:EF:00:01":                  "de:ad:be:ef:00:01",
		"dead.BEEF.0001":                     "de:ad:be:ef:00:01",
		"DeAdBeEf0001":                       "de:ad:be:ef:00:01",
		"0:1b:21:a:b:c":                      "00:1b:21:0a:0b:0c",
		"00:00:00:00:00:00":                  "00:00:00:00:00:00",
		strings.ToUpper("ff:ff:ff:ff:ff:ff"): "ff:ff:ff:ff:ff:ff",
	} {
		mac, err := ParseMAC(text)
		if err != nil || mac.String() != want {
			t.Errorf("%q: got %s, %v; want %s", text, mac, err, want)
		}
	}
}

var malformedMACs = []string{
	"", " ", ":", ":::::", "-----", "..", "x", "lab01", "192.168.1.1", "fe80::1",
	"52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:", ":54:00:12:34:56", "52:54::12:34:56",
	"52:54:00:12:34:5g", "52:54:00:12:34:567", "52:54:00:12:34:56 ", " 52:54:00:12:34:56", "52 54 00 12 34 56",
	"52:54-00:12-34:56", "52:54:00.12:34:56", "5254:0012:3456", "5254-0012.3456", "525400:123456", "525400.123456",
	"5254-0012-345", "5254-0012-34567", "52540-012-3456", "52540-0123456", "525400-12345", "525400-1234567", "525400-12345g", "web-1", "db-web-1",
	"52540.012.3456", "5254.0012.345", "5254.0012.34567", "5254.0012", "5254.0012.3456.7890", "5254.0012.345g",
	"52540012345", "5254001234567", "52540012345g", "0x52540012345", "0x0x525400123456", "0x52:54:00:12:34:56",
	"52:54:00:12:34:5\x00", "52:54:00:12:34:+6", "５２:54:00:12:34:56", "52:54:00:12:34:56\n", "0x", "-1",
}

func TestParseMACRefuses(t *testing.T) {
	for _, text := range malformedMACs {
		mac, err := ParseMAC(text)
		if err == nil || !mac.IsZero() {
			t.Errorf("%q: got %s, %v; want an error", text, mac, err)
			continue
		}
		if !strings.Contains(err.Error(), "accepted") {
			t.Errorf("%q: the error does not say what is accepted: %v", text, err)
		}
	}
}

func FuzzParseMAC(f *testing.F) {
	for _, text := range malformedMACs {
		f.Add(text)
	}
	for _, text := range []string{"52:54:00:12:34:56", "52-54-00-12-34-56", "5254.0012.3456", "5254-0012-3456", "525400-123456", "0x525400123456", "0:1b:21:a:b:c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mac, err := ParseMAC(text)
		if err != nil {
			if !mac.IsZero() {
				t.Fatalf("%q: %v, and yet %s", text, err, mac)
			}
			return
		}
		again, err := ParseMAC(mac.String())
		if err != nil || again != mac {
			t.Fatalf("%q: %s read again is %s, %v", text, mac, again, err)
		}
	})
}
