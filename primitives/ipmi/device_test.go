package ipmi

import (
	"context"
	"encoding/hex"
	"testing"

	"ctys/primitives"
)

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseDeviceID(t *testing.T) {
	for text, want := range map[string]Controller{
		// ipmi_sim and go-ipmi's server
		"00030908029f911200020f00000000": {ID: 0, Revision: 3, Firmware: "9.08", IPMI: "2.0", Manufacturer: 4753, Product: 3842},
		"2000000020000000000000":         {ID: 32, Firmware: "0.00", IPMI: "0.2"},
		// the example of the specification: the IPMI forum's number (20.1)
		"20818241511ff21bffffff": {ID: 32, Revision: 1, Firmware: "2.41", IPMI: "1.5", Manufacturer: 0xf1bf2, Product: 0xffff},
	} {
		if got, err := parseDeviceID(fromHex(t, text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for n := range 11 {
		_, err := parseDeviceID(make([]byte, n))
		wantFailure(t, err, primitives.Internal)
	}
}

func TestParseGUID(t *testing.T) {
	const want = "4c4c4544-0032-4a0c-8054-b4c04f4e5231"
	for name, text := range map[string]string{
		"as SMBIOS":        "44454c4c32000c4a8054b4c04f4e5231",
		"as IPMI until E7": "31524e4fc0b454800c4a320044454c4c",
		"as RFC 4122":      "4c4c454400324a0c8054b4c04f4e5231",
	} {
		if got := parseGUID(fromHex(t, text)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, text := range []string{"", "00", "00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff",
		"44454c4c32000c4a8054b4c04f4e52", "44454c4c32000c4a8054b4c04f4e523100"} {
		if got := parseGUID(fromHex(t, text)); got != "" {
			t.Errorf("%q gives %s", text, got)
		}
	}
	// of no known version: as SMBIOS
	if got := parseGUID(fromHex(t, "a123456789abcdefa123456789abcdef")); got != "674523a1-ab89-efcd-a123-456789abcdef" {
		t.Error(got)
	}
}

// A BMC without a GUID has none, and one that does not answer is an error.
func TestControllerWithoutGUID(t *testing.T) {
	bmc := &scriptedBMC{t: t}
	for code, fails := range map[byte]bool{0xc1: false, 0xd4: false, 0xcb: false, lost: true} {
		bmc.answer = func(c command) ([]byte, byte) {
			if c.number == 0x37 {
				return nil, code
			}
			return fromHex(t, "00030908029f911200020f00000000"), 0
		}
		got, err := readController(context.Background(), bmc)
		if (err != nil) != fails || got.GUID != "" {
			t.Errorf("completion code %#02x: %+v, %v", code, got, err)
		}
	}
}

func FuzzDevice(f *testing.F) {
	f.Add(fromHex(f, "00030908029f911200020f00000000"))
	f.Add(fromHex(f, "44454c4c32000c4a8054b4c04f4e5231"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parseDeviceID(data)
		if guid := parseGUID(data); guid != "" && len(guid) != 36 {
			t.Errorf("GUID %q", guid)
		}
	})
}
