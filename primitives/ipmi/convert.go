package ipmi

import "math"

// factors turn the raw reading of a sensor into its unit (36.3).
type factors struct {
	m, b         int // -512 to 511
	bExp, resExp int // -8 to 7, powers of ten
}

// parseFactors reads M, B and the exponents: bytes 25 to 30 of a full sensor
// record (43.1), which are also bytes 3 to 8 of Get Sensor Reading Factors
// (35.5). Tolerance and accuracy lie between them.
func parseFactors(data [6]byte) factors {
	return factors{
		m:      signed(int(data[0])|int(data[1]&0xc0)<<2, 10),
		b:      signed(int(data[2])|int(data[3]&0xc0)<<2, 10),
		resExp: signed(int(data[5]>>4), 4),
		bExp:   signed(int(data[5]&0x0f), 4),
	}
}

// signed reads the lower bits of a number as a two's complement.
func signed(value, bits int) int {
	if value >= 1<<(bits-1) {
		value -= 1 << bits
	}
	return value
}

// The formats of an analogue reading (43.1, byte 21, bits 7:6).
const (
	formatUnsigned = 0
	formatOnes     = 1 // one's complement
	formatTwos     = 2 // two's complement
	formatNone     = 3 // no analogue reading
)

// analogue is the number that a raw reading stands for in its format.
func analogue(raw, format byte) int {
	switch format {
	case formatOnes:
		if raw&0x80 != 0 {
			return -int(^raw)
		}
	case formatTwos:
		return int(int8(raw))
	}
	return int(raw)
}

// apply is the inner part of the formula, (Mx + B·10^K1)·10^K2. It is rounded
// once, so that 12.06 comes out as the number nearest to 12.06.
func (f factors) apply(x int) float64 {
	value, exponent := float64(f.m*x)+float64(f.b)*math.Pow10(max(f.bExp, 0)), f.resExp
	if f.bExp < 0 {
		value, exponent = float64(f.m*x)*math.Pow10(-f.bExp)+float64(f.b), f.resExp+f.bExp
	}
	if exponent < 0 {
		return value / math.Pow10(-exponent)
	}
	return value * math.Pow10(exponent)
}

// linearizations are the functions L of the formula by their code (43.1, byte 24).
var linearizations = [...]func(float64) float64{
	func(x float64) float64 { return x },
	math.Log, math.Log10, math.Log2,
	math.Exp,
	func(x float64) float64 { return math.Pow(10, x) },
	math.Exp2,
	func(x float64) float64 { return 1 / x },
	func(x float64) float64 { return x * x },
	func(x float64) float64 { return x * x * x },
	math.Sqrt, math.Cbrt,
}

// The codes from here to 7Fh are those of sensors that are not linear: their
// factors are asked for with each reading, and no function is applied (36.3).
const firstNonLinear = 0x70

// convert gives the reading in the sensor's unit; false: the formula has no
// value there, as one over a fan that stands still.
func convert(raw, format, linearization byte, f factors) (float64, bool) {
	value := f.apply(analogue(raw, format))
	code := linearization & 0x7f
	switch {
	case int(code) < len(linearizations):
		value = linearizations[code](value)
	case code < firstNonLinear:
		return 0, false // reserved
	}
	return value, !math.IsNaN(value) && !math.IsInf(value, 0)
}
