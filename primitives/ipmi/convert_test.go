package ipmi

import (
	"math"
	"testing"
)

func TestConvert(t *testing.T) {
	f := func(m, b, bExp, resExp int) factors { return factors{m: m, b: b, bExp: bExp, resExp: resExp} }
	cases := []struct {
		name                string
		raw, format, linear byte
		factors             factors
		want                float64
	}{
		{"as it is", 40, formatUnsigned, 0, f(1, 0, 0, 0), 40},
		{"twelve volts, to the last digit", 201, formatUnsigned, 0, f(6, 0, 0, -2), 12.06},
		{"hundreds", 57, formatUnsigned, 0, f(100, 0, 0, 0), 5700},
		{"an offset", 90, formatUnsigned, 0, f(100, -40, 2, -4), 0.5},
		{"an offset with a negative exponent", 100, formatUnsigned, 0, f(1, 5, -1, 0), 100.5},
		{"both exponents negative", 3, formatUnsigned, 0, f(7, 9, -2, -1), 2.109},
		{"a positive result exponent", 3, formatUnsigned, 0, f(-2, 0, 0, 3), -6000},
		{"255 unsigned", 255, formatUnsigned, 0, f(1, 0, 0, 0), 255},
		{"two's complement, -1", 255, formatTwos, 0, f(1, 0, 0, 0), -1},
		{"two's complement, least", 128, formatTwos, 0, f(1, 0, 0, 0), -128},
		{"two's complement, most", 127, formatTwos, 0, f(1, 0, 0, 0), 127},
		{"one's complement, -0", 255, formatOnes, 0, f(1, 0, 0, 0), 0},
		{"one's complement, -1", 254, formatOnes, 0, f(1, 0, 0, 0), -1},
		{"one's complement, least", 128, formatOnes, 0, f(1, 0, 0, 0), -127},
		{"ln", 100, formatUnsigned, 1, f(1, 0, 0, 0), math.Log(100)},
		{"log10", 100, formatUnsigned, 2, f(1, 0, 0, 0), 2},
		{"log2", 32, formatUnsigned, 3, f(1, 0, 0, 0), 5},
		{"e", 2, formatUnsigned, 4, f(1, 0, 0, 0), math.E * math.E},
		{"exp10", 25, formatUnsigned, 5, f(1, 0, 0, -1), math.Pow(10, 2.5)},
		{"exp2", 10, formatUnsigned, 6, f(1, 0, 0, 0), 1024},
		{"1/x", 20, formatUnsigned, 7, f(1, 0, 0, -5), 5000},
		{"square", 12, formatUnsigned, 8, f(1, 0, 0, 0), 144},
		{"cube", 3, formatUnsigned, 9, f(1, 0, 0, 0), 27},
		{"square root", 144, formatUnsigned, 10, f(1, 0, 0, 0), 12},
		{"cube root", 27, formatUnsigned, 11, f(1, 0, 0, 0), 3},
		{"not linear: the factors alone", 27, formatUnsigned, 0x70, f(2, 0, 0, 0), 54},
		{"a maker's own: the factors alone", 27, formatUnsigned, 0x7f, f(2, 0, 0, 0), 54},
		{"the reserved bit", 144, formatUnsigned, 0x8a, f(1, 0, 0, 0), 12},
	}
	for _, test := range cases {
		got, ok := convert(test.raw, test.format, test.linear, test.factors)
		if !ok || math.Abs(got-test.want) > 1e-12*math.Abs(test.want) {
			t.Errorf("%s: %v, %v; want %v", test.name, got, ok, test.want)
		}
	}
	if got, _ := convert(201, formatUnsigned, 0, f(6, 0, 0, -2)); got != 12.06 {
		t.Errorf("%v is not the number nearest to 12.06", got)
	}
	for name, linear := range map[string]byte{"one over a standing fan": 7, "the logarithm of nothing": 1, "a reserved function": 12, "another": 0x6f} {
		if got, ok := convert(0, formatUnsigned, linear, f(1, 0, 0, 0)); ok {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got, ok := convert(10, formatUnsigned, 10, f(-1, 0, 0, 0)); ok {
		t.Errorf("the root of -10 is %v", got)
	}
}

// All ten bits of M and B and the sign of both exponents are read.
func TestParseFactors(t *testing.T) {
	for data, want := range map[[6]byte]factors{
		{1, 0, 0, 0, 0, 0}:                   {m: 1},
		{0xff, 0xc0, 0xff, 0xc0, 0, 0}:       {m: -1, b: -1},
		{0xff, 0x7f, 0xff, 0x7f, 0xff, 0x77}: {m: 511, b: 511, bExp: 7, resExp: 7},
		{0, 0x80, 0, 0x80, 0, 0x88}:          {m: -512, b: -512, bExp: -8, resExp: -8},
		{6, 0x3f, 0, 0x3f, 0xf0, 0xe0}:       {m: 6, resExp: -2}, // with tolerance and accuracy
		{100, 0, 0xd8, 0xc0, 0, 0xc2}:        {m: 100, b: -40, bExp: 2, resExp: -4},
	} {
		if got := parseFactors(data); got != want {
			t.Errorf("% x: %+v, want %+v", data, got, want)
		}
	}
}

func TestUnits(t *testing.T) {
	for data, want := range map[[3]byte]string{
		{0, 1, 0}: "degrees C", {0, 4, 0}: "volts", {0, 5, 0}: "amps", {0, 6, 0}: "watts", {0, 18, 0}: "RPM", {0, 19, 0}: "Hz",
		{0, 17, 0}: "CFM", {0, 92, 0}: "grams", {0, 0, 0}: "", {1, 0, 0}: "percent", {1, 6, 0}: "percent watts",
		{0x80, 1, 0}: "degrees C", {2, 70, 22}: "byte/second", {4, 6, 24}: "watts*hour", {0x18, 85, 0}: "packets per second",
		{0x08, 7, 0}: "joules per microsecond", {0x38, 7, 0}: "joules", {6, 7, 1}: "joules", {0, 93, 0}: "unit 93", {0, 255, 0}: "unit 255",
	} {
		if got := unitOf(data[0], data[1], data[2]); got != want {
			t.Errorf("% x: %q, want %q", data, got, want)
		}
	}
	if len(units) != 93 || units[58] != "PPM" || units[82] != "overrun" || units[91] != "fatal error" {
		t.Errorf("the table of units has shifted: %d entries", len(units))
	}
}

func FuzzConvert(f *testing.F) {
	f.Add(byte(0), byte(0), byte(7), []byte{1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw, format, linear byte, data []byte) {
		if len(data) < 6 {
			return
		}
		value, ok := convert(raw, format, linear, parseFactors([6]byte(data[:6])))
		if ok && (math.IsNaN(value) || math.IsInf(value, 0)) {
			t.Errorf("%v is a reading", value)
		}
	})
}
