package inventory

import (
	"fmt"
	"strings"
)

// maxExpanded bounds what ranges and groups of one request may come to.
const maxExpanded = 100_000

// selection collects names: doubles are dropped, the order is that of the
// first mention, and what is taken out stays out wherever it stands.
type selection struct {
	order []string
	in    map[string]bool
	out   map[string]bool
	count int
}

func newSelection() *selection {
	return &selection{in: map[string]bool{}, out: map[string]bool{}}
}

func (s *selection) apply(names []string, minus bool) error {
	if s.count += len(names); s.count > maxExpanded {
		return fmt.Errorf("this comes to more than %d names", maxExpanded)
	}
	for _, name := range names {
		switch {
		case minus:
			s.out[machineOf(name)] = true
		case !s.in[name]:
			s.in[name] = true
			s.order = append(s.order, name)
		}
	}
	return nil
}

func (s *selection) names() []string {
	var names []string
	for _, name := range s.order {
		if !s.out[machineOf(name)] {
			names = append(names, name)
		}
	}
	return names
}

// machineOf drops the account: "!lab01" takes out "root@lab01" too.
func machineOf(target string) string {
	return target[strings.LastIndexByte(target, '@')+1:]
}
