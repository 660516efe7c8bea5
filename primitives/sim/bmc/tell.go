package bmc

import (
	"fmt"
	"strconv"
	"strings"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// Commands lists what Command knows.
const Commands = `bmc [NAME]             power, controls carried out, sessions of a BMC, or of each
bmc-silent NAME|all    it answers nothing
bmc-busy NAME|all N    its next N commands are answered with "node busy"
bmc-mute NAME|all N    its next N chassis controls are carried out and not answered
bmc-loss NAME|all IN OUT  so many in a hundred datagrams get lost to it, and from it
bmc-slots NAME|all N   sessions that it holds at a time; 0 is as at the beginning
bmc-fault NAME|all WORD,…  faults of the chassis: overload, interlock, power-fault,
                       control-fault, intrusion, lockout, drive-fault, fan-fault
bmc-mend NAME|all      takes all of these back
`

// Knows tells whether a word is one of Commands.
func Knows(verb string) bool { return verb == "bmc" || tells[verb].do != nil }

// tell is a command that changes BMCs.
type tell struct {
	values string // what follows the name, for a message
	count  int    // of it
	do     func(b *BMC, values []string) error
}

var tells = map[string]tell{
	"bmc-silent": {do: func(b *BMC, _ []string) error { b.Silent(true); return nil }},
	"bmc-mend":   {do: func(b *BMC, _ []string) error { b.Mend(); return nil }},
	"bmc-busy":   {"N", 1, counted((*BMC).Busy)},
	"bmc-mute":   {"N", 1, counted((*BMC).Mute)},
	"bmc-slots":  {"N", 1, counted((*BMC).Slots)},
	"bmc-loss":   {"IN OUT", 2, lose},
	"bmc-fault": {"WORD,…", 1, func(b *BMC, values []string) error {
		return b.SetFaults(strings.Split(strings.ReplaceAll(values[0], "-", " "), ",")...)
	}},
}

func counted(set func(b *BMC, n int)) func(*BMC, []string) error {
	return func(b *BMC, values []string) error {
		n, err := strconv.ParseUint(values[0], 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no number from 0 to 65535", values[0])
		}
		set(b, int(n))
		return nil
	}
}

func lose(b *BMC, values []string) error {
	var shares [2]float64
	for i, value := range values {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return fmt.Errorf("%q is no share from 0 to 100 in a hundred", value)
		}
		shares[i] = percent / 100
	}
	b.Lose(shares[0], shares[1])
	return nil
}

// Command carries out one of Commands, given as words. What is wrong with them it
// says in a plain sentence, for whoever typed them.
func (f *Farm) Command(words []string) (string, error) {
	if len(words) == 0 || !Knows(words[0]) {
		return "", fmt.Errorf("%q is no command for BMCs", strings.Join(words, " "))
	}
	verb, args := words[0], words[1:]
	if verb == "bmc" && len(args) == 0 {
		args = []string{everyBMC}
	}
	if want := 1 + tells[verb].count; len(args) != want {
		return "", fmt.Errorf("usage: %s", strings.TrimSpace(verb+" NAME|"+everyBMC+" "+tells[verb].values))
	}
	chosen, err := f.chosen(args[0])
	if err != nil {
		return "", err
	}
	var answer strings.Builder
	for _, b := range chosen {
		if verb == "bmc" {
			fmt.Fprintln(&answer, b)
		} else if err := tells[verb].do(b, args[1:]); err != nil {
			return "", err
		}
	}
	return answer.String(), nil
}

// everyBMC stands for all of them.
const everyBMC = "all"

func (f *Farm) chosen(name string) ([]*BMC, error) {
	if name == everyBMC {
		return f.bmcs, nil
	}
	if b := f.byName[name]; b != nil {
		return []*BMC{b}, nil
	}
	return nil, fmt.Errorf("%q has no BMC here", name)
}

// String tells in one line what the BMC has seen.
func (b *BMC) String() string {
	counts := b.Counts()
	power := primitives.PowerOff
	if counts.On {
		power = primitives.PowerOn
	}
	line := fmt.Sprintf("%s %s %s, starts %d", b.Name, b.Address, power, counts.Starts)
	if counts.Booted != "" && counts.Booted != ipmi.BootNone {
		line += fmt.Sprintf(" (%s)", counts.Booted)
	}
	for _, control := range []ipmi.Control{ipmi.PowerOn, ipmi.PowerOff, ipmi.PowerSoft, ipmi.Cycle, ipmi.Reset, ipmi.Diag} {
		line += fmt.Sprintf(", %s %d", control, counts.Controls[control])
	}
	return line + fmt.Sprintf(", sessions %d (most %d, refused %d), events %d", counts.Open, counts.Most, counts.Refused, counts.Events)
}
