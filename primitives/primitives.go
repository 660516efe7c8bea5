// Package primitives holds the words that every power shares: what a machine
// is called, what state its power is in, on which clock, and how a
// power says that it could not do its work.
//
// Each power is a package below this one with a plain Go API. A power imports
// this package and never another power.
package primitives

import "fmt"

// Power is the three-valued fact about a machine or guest. The zero value is
// PowerUnknown, so that what nobody has set is never taken for "off".
type Power int

// The three values. There is no fourth, and unknown is never rounded to off.
const (
	PowerUnknown Power = iota
	PowerOn
	PowerOff
)

// String gives the word that scripts, plans and journals use.
func (p Power) String() string {
	switch p {
	case PowerOn:
		return "on"
	case PowerOff:
		return "off"
	}
	return "unknown"
}

// ParsePower reads the words of String; any other word is an error and the
// result PowerUnknown.
func ParsePower(word string) (Power, error) {
	switch word {
	case "on":
		return PowerOn, nil
	case "off":
		return PowerOff, nil
	case "unknown":
		return PowerUnknown, nil
	}
	return PowerUnknown, fmt.Errorf("%q is no power state: on, off or unknown", word)
}
