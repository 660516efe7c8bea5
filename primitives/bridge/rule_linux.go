package bridge

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Attributes of a rule (Linux, include/uapi/linux/fib_rules.h).
const (
	fraDestination = 1
	fraSource      = 2
	fraIncoming    = 3
	fraPriority    = 6
	fraTable       = 15
	fraOutgoing    = 17

	ruleInvert   = 2 // FIB_RULE_INVERT, the one flag that is set by hand
	lookupAction = 1 // FR_ACT_TO_TBL
)

// heard is a rule with what it is about.
type heard struct {
	Rule
	interfaces  []string
	table       uint32
	source, aim netip.Prefix
}

// allRules reads the rules of both families.
func allRules() ([]heard, error) {
	var all []heard
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		header := make([]byte, routeHeader) // struct fib_rule_hdr has the same length
		header[0] = family
		answers, err := dump(unix.RTM_GETRULE, header)
		if err != nil {
			return nil, err
		}
		for _, answer := range answers {
			rule, err := parseRule(answer.Data)
			if err != nil {
				return nil, err
			}
			all = append(all, rule)
		}
	}
	return all, nil
}

// parseRule reads a struct fib_rule_hdr and its attributes.
func parseRule(data []byte) (heard, error) {
	decoder, err := attributes(data, routeHeader)
	if err != nil {
		return heard{}, err
	}
	rule := heard{table: uint32(data[4])}
	rule.IPv6 = data[0] == unix.AF_INET6
	source, aim := unspecified(data[0]), unspecified(data[0])
	var words []string
	for decoder.Next() {
		switch decoder.Type() {
		case fraDestination:
			aim, _ = netip.AddrFromSlice(decoder.Bytes())
		case fraSource:
			source, _ = netip.AddrFromSlice(decoder.Bytes())
		case fraIncoming, fraOutgoing:
			word := map[uint16]string{fraIncoming: "iif ", fraOutgoing: "oif "}[decoder.Type()]
			rule.interfaces = append(rule.interfaces, decoder.String())
			words = append(words, word+decoder.String())
		case fraPriority:
			rule.Priority = decoder.Uint32()
		case fraTable:
			rule.table = decoder.Uint32()
		}
	}
	if err := decoder.Err(); err != nil {
		return heard{}, err
	}
	rule.aim, rule.source = netip.PrefixFrom(aim, int(data[1])), netip.PrefixFrom(source, int(data[2]))
	rule.Text = rule.describe(words, data[7])
	rule.Message = hex.EncodeToString(plainRule(data))
	return rule, nil
}

func (r heard) describe(words []string, action byte) string {
	text := []string{"from all"}
	if r.source.Bits() > 0 {
		text = []string{"from " + r.source.String()}
	}
	if r.aim.Bits() > 0 {
		text = append(text, "to "+r.aim.String())
	}
	text = append(text, words...)
	if action == lookupAction {
		text = append(text, "lookup "+strconv.FormatUint(uint64(r.table), 10))
	}
	return strings.Join(text, " ")
}

// plainRule is the message without the flags that tell what passes.
func plainRule(data []byte) []byte {
	plain := slices.Clone(data)
	flags := binary.NativeEndian.Uint32(plain[8:]) & ruleInvert
	binary.NativeEndian.PutUint32(plain[8:], flags)
	return plain
}

// concerns tells whether a rule has to do with one of the links.
func (r heard) concerns(links []Link) bool {
	for _, link := range links {
		if slices.Contains(r.interfaces, link.Name) {
			return true
		}
		for _, address := range link.Addresses {
			own := address.Prefix.Addr()
			if r.source.Bits() > 0 && r.source.Contains(own) || r.aim.Bits() > 0 && r.aim.Contains(own) {
				return true
			}
		}
		for _, route := range link.Routes {
			if route.Table == r.table && (r.table < unix.RT_TABLE_DEFAULT || r.table > unix.RT_TABLE_LOCAL) {
				return true
			}
		}
	}
	return false
}

func giveRule(rule Rule) error {
	data, err := hex.DecodeString(rule.Message)
	if err != nil {
		return err
	}
	return tell(unix.RTM_NEWRULE, netlink.Create|netlink.Excl, data, unix.EEXIST)
}
