package ipmi

import (
	"slices"
	"testing"

	"ctys/primitives"
)

func TestChassisStatus(t *testing.T) {
	cases := []struct {
		name string
		data []byte
		want Status
	}{
		{"ipmi_sim, on", []byte{0x01, 0, 0}, Status{Power: primitives.PowerOn, Restore: "off"}},
		{"go-ipmi's server, off", []byte{0, 0, 0x40, 0}, Status{Power: primitives.PowerOff, Restore: "off", Identify: "off"}},
		{"restores", []byte{0x20, 0x01, 0}, Status{Restore: "previous", LastEvent: []string{"mains failed"}}},
		{"always on", []byte{0x41, 0x10, 0x60}, Status{Power: primitives.PowerOn, Restore: "on", LastEvent: []string{"switched on by IPMI"}, Identify: "on"}},
		{"policy unknown", []byte{0x60, 0, 0x50}, Status{Identify: "timed"}},
		{"identify not supported, its state no matter", []byte{0x60, 0, 0x10}, Status{}},
		{"all faults", []byte{0x7e, 0x0e, 0x0f}, Status{LastEvent: []string{"overload", "interlock", "fault"}, Faults: []string{
			"overload", "interlock", "power fault", "control fault", "intrusion", "lockout", "drive fault", "fan fault"}}},
		{"reserved bits", []byte{0xe0, 0xe0, 0x80}, Status{}},
	}
	for _, test := range cases {
		got, err := parseStatus(test.data)
		if test.want.Power == primitives.PowerUnknown {
			test.want.Power = primitives.PowerOff
		}
		if err != nil || got.Power != test.want.Power || got.Restore != test.want.Restore || got.Identify != test.want.Identify ||
			!slices.Equal(got.LastEvent, test.want.LastEvent) || !slices.Equal(got.Faults, test.want.Faults) {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, err, test.want)
		}
	}
	for n := range 3 {
		_, err := parseStatus(make([]byte, n))
		wantFailure(t, err, primitives.Internal)
	}
}

func FuzzChassis(f *testing.F) {
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{0x7e, 0x0e, 0x0f, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		status, err := parseStatus(data)
		if err == nil && status.Power == primitives.PowerUnknown {
			t.Error("a status without a power")
		}
	})
}
