package luabind

import (
	"context"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/stack"
)

// halfStack is a host one of whose hypervisors does not answer.
type halfStack struct{ Stack }

func (halfStack) Hypervisors(context.Context, string) ([]stack.Hypervisor, error) {
	problem := primitives.Errorf(primitives.Denied, "stack.hypervisors", "lxc:///system", "no permission for its socket")
	return []stack.Hypervisor{{URI: "qemu:///system", Type: "qemu"}, {URI: "lxc:///system", Type: "lxc", Problem: problem}}, problem
}

// A hypervisor that does not answer raises, unless its script asks for all and
// reads what is the matter with each.
func TestHypervisorThatDoesNotAnswer(t *testing.T) {
	host := New(Capabilities{Stack: halfStack{}}, Options{})
	result, err := host.Run(context.Background(), Script{Name: "x.lua", Source: `
local ok, err = pcall(stack.hypervisors)
assert(not ok and err.kind == "denied", "it does not raise")
local list = stack.hypervisors{ partial = true }
return #list, list[1].problem == nil, list[2].uri, list[2].problem.kind, list[2].problem.message`})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, value := range result.Values {
		words = append(words, Format(value))
	}
	if got := strings.Join(words, " "); !strings.HasPrefix(got, "2 true lxc:///system denied ") || !strings.Contains(got, "no permission") {
		t.Error(got)
	}
}
