//go:build linux

package bootimage

import "testing"

func TestWhatIsNoKernel(t *testing.T) {
	cut := make([]byte, 0x260)
	copy(cut[0x202:], "HdrS")
	cut[0x24c] = 0xff
	for name, image := range map[string][]byte{"empty": nil, "zeroes": make([]byte, 4096), "cut short": cut} {
		if _, err := unpackKernel(image); err == nil {
			t.Errorf("%s is taken for a kernel", name)
		}
	}
}
