package nic

import (
	"strings"

	"github.com/mdlayher/ethtool"
)

// modes are a driver's Wake-on settings.
type modes struct {
	supported, set ethtool.WOLMode
	password       []byte // SecureOn; nil where the driver has none or does not tell
}

// The letters of ethtool(8), in its order.
var wakeLetters = []struct {
	mode   ethtool.WOLMode
	letter string
}{
	{ethtool.PHY, "p"}, {ethtool.Unicast, "u"}, {ethtool.Multicast, "m"}, {ethtool.Broadcast, "b"},
	{ethtool.ARP, "a"}, {ethtool.Magic, "g"}, {ethtool.MagicSecure, "s"}, {ethtool.Filter, "f"},
}

func letters(modes ethtool.WOLMode) string {
	var found strings.Builder
	for _, each := range wakeLetters {
		if modes&each.mode != 0 {
			found.WriteString(each.letter)
		}
	}
	return found.String()
}

// setLetters is letters for what is set: "d" where nothing is.
func setLetters(set ethtool.WOLMode) string {
	if found := letters(set); found != "" {
		return found
	}
	return "d"
}

func (m modes) wake() Wake {
	read := Wake{Supported: letters(m.supported), Set: setLetters(m.set)}
	if read.Supported == "" {
		read.Cause = "the driver offers no mode but d, off"
	}
	if read.Magic() {
		read.Beyond = Beyond
	}
	return read
}
