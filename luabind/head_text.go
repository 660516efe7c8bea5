package luabind

import (
	"fmt"
	"strings"
)

// typed is how the argument is called on the command line.
func (a *Argument) typed() string {
	if len(a.Options) > 0 {
		return a.Options[0]
	}
	return strings.ToUpper(a.Name)
}

// valueName is what the usage calls the argument's value.
func (a *Argument) valueName() string {
	if a.Value != "" {
		return a.Value
	}
	return strings.ToUpper(a.Name)
}

func (a *Argument) describe() string {
	words := map[ArgumentType]string{
		ArgumentString: "a text", ArgumentInteger: "a whole number", ArgumentSeconds: "seconds, or with units as in 90s and 1h30m",
		ArgumentMAC: "a MAC address", ArgumentList: "texts", ArgumentTargets: "machines, ranges (bmc[001-100]), @groups, group files, !name",
	}
	text := words[a.Type]
	if len(a.OneOf) > 0 {
		text = "one of " + strings.Join(a.OneOf, ", ")
	}
	if a.Max > a.Min {
		text += fmt.Sprintf(", %g or more", a.Min)
		if a.Max < maxSeconds {
			text = strings.TrimSuffix(text, fmt.Sprintf(", %g or more", a.Min)) + fmt.Sprintf(" from %g to %g", a.Min, a.Max)
		}
	}
	return text
}

// Line is the usage in one line: "ctys wakeup [-i IF] MAC".
func (h Head) Line() string {
	if h.Usage != "" {
		if strings.HasPrefix(h.Usage, "ctys ") {
			return h.Usage
		}
		return "ctys " + strings.TrimSpace(h.Name+" "+strings.TrimPrefix(strings.TrimPrefix(h.Usage, h.Name), " "))
	}
	words := []string{"ctys", h.Name}
	for i := range h.Arguments {
		words = append(words, h.Arguments[i].word())
	}
	return strings.Join(words, " ")
}

func (a *Argument) word() string {
	word := a.valueName()
	if len(a.Options) > 0 {
		word = a.Options[0]
		if a.Type != ArgumentFlag {
			word += " " + a.valueName()
		}
	}
	if a.Type.rest() {
		word += "…"
	}
	if !a.Required {
		word = "[" + word + "]"
	}
	return word
}

// Text is the help on a script: what it does, its arguments, examples, and
// what it touches.
func (h Head) Text() string {
	if isDriver(h.Name) {
		return h.driverText()
	}
	var b strings.Builder
	if h.What != "" {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.What)
	}
	fmt.Fprintf(&b, "usage: %s\n", h.Line())
	for i := range h.Arguments {
		h.Arguments[i].help(&b)
	}
	for i, example := range h.Examples {
		if i == 0 {
			b.WriteString("examples:\n")
		}
		fmt.Fprintf(&b, "  %s\n", example)
	}
	if len(h.Categories) > 0 {
		fmt.Fprintf(&b, "categories: %s\n", strings.Join(h.Categories, ", "))
	}
	touches := "nothing but reads"
	if len(h.Touches) > 0 {
		touches = strings.Join(h.Touches, ", ")
	} else if h.Declared {
		touches = "nothing"
	}
	fmt.Fprintf(&b, "touches: %s\n", touches)
	return b.String()
}

func (a *Argument) help(b *strings.Builder) {
	left := a.valueName()
	if len(a.Options) > 0 {
		left = strings.Join(a.Options, ", ")
		if a.Type != ArgumentFlag {
			left += " " + a.valueName()
		}
	}
	text := a.Help
	if text == "" {
		text = a.describe()
	}
	if a.Default != nil {
		text += fmt.Sprintf(" (default %v)", a.Default)
	}
	fmt.Fprintf(b, "  %-24s %s\n", left, text)
}
