package lab

import (
	"bytes"
	"testing"
)

func FuzzMagic(f *testing.F) {
	f.Add(append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat([]byte{1, 2, 3, 4, 5, 6}, 16)...))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		mac, password, ok := magic(datagram)
		if ok && !bytes.HasSuffix(datagram, append(bytes.Repeat(mac[:], 16), password...)) {
			t.Errorf("%s with % x is not in % x", mac, password, datagram)
		}
	})
}

func FuzzCommandLine(f *testing.F) {
	for _, line := range []string{"true; echo 'a b' && exit 3", `sh -c "state"`, "a\\", "x | y", ";;", "&&", "'"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		commands, err := parseLine(line)
		for _, c := range commands {
			if err != nil || len(c.argv) == 0 {
				t.Errorf("%q: an empty command, %v", line, err)
			}
		}
	})
}
