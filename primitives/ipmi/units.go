package ipmi

import "fmt"

// units are the names of the unit codes (43.17, table 43-15). Names of units
// that are no abbreviations are written small.
var units = [...]string{
	"", "degrees C", "degrees F", "degrees K", "volts", "amps", "watts", "joules", "coulombs", "VA", "nits",
	"lumen", "lux", "candela", "kPa", "PSI", "newton", "CFM", "RPM", "Hz", "microsecond",
	"millisecond", "second", "minute", "hour", "day", "week", "mil", "inches", "feet", "cu in",
	"cu feet", "mm", "cm", "m", "cu cm", "cu m", "liters", "fluid ounce", "radians", "steradians",
	"revolutions", "cycles", "gravities", "ounce", "pound", "ft-lb", "oz-in", "gauss", "gilberts", "henry",
	"millihenry", "farad", "microfarad", "ohms", "siemens", "mole", "becquerel", "PPM", "unit 59", "decibels",
	"DbA", "DbC", "gray", "sievert", "color temp deg K", "bit", "kilobit", "megabit", "gigabit", "byte",
	"kilobyte", "megabyte", "gigabyte", "word", "dword", "qword", "line", "hit", "miss", "retry",
	"reset", "overrun", "underrun", "collision", "packets", "messages", "characters", "error", "correctable error", "uncorrectable error",
	"fatal error", "grams",
}

// rates are the rate units (43.1, byte 21, bits 5:3).
var rates = [8]string{"", " per microsecond", " per millisecond", " per second", " per minute", " per hour", " per day", ""}

// unitOf names the unit of a sensor by the three bytes of its record (43.1,
// bytes 21 to 23): base unit, modified by another one, a rate, a percentage.
func unitOf(format, base, modifier byte) string {
	name := unitName(base)
	switch format >> 1 & 3 {
	case 1:
		name += "/" + unitName(modifier)
	case 2:
		name += "*" + unitName(modifier)
	}
	if format&1 != 0 {
		if name == "" {
			name = "percent"
		} else {
			name = "percent " + name
		}
	}
	return name + rates[format>>3&7]
}

func unitName(code byte) string {
	if int(code) < len(units) {
		return units[code]
	}
	return fmt.Sprintf("unit %d", code)
}
