package luabind

import (
	"cmp"
	"slices"
	"strings"

	"ctys/primitives"
)

// Authority is what a script may touch: powers ("wol"), or one effect or verb
// of a power ("stack.read", "ipmi.power_status"). All is everything. The zero
// value may only read, and not through a master key.
type Authority struct {
	All    bool
	Touch  []string
	Reads  bool     // every power may be read, master keys excepted
	Master []string // modules that are master keys; filled in by the runtime
}

// Everything is the authority of what an operator types.
var Everything = Authority{All: true}

// Permits tells whether an operation is within the authority.
func (a Authority) Permits(verb string, effect Effect) bool {
	if a.All {
		return true
	}
	power, name, _ := strings.Cut(verb, ".")
	if effect == Read && a.Reads && !slices.Contains(a.Master, power) {
		return true
	}
	return slices.ContainsFunc(a.Touch, func(touch string) bool {
		return touch == power || touch == verb || touch == power+".read" && effect == Read ||
			touch == power+".*" || strings.HasSuffix(touch, "*") && strings.HasPrefix(power+"."+name, strings.TrimSuffix(touch, "*"))
	})
}

// allow refuses what the script's head does not declare. A part of a composite
// call is allowed to whoever may make that call.
func (rt *Runtime) allow(op *Op, next Handler) (any, error) {
	verb := cmp.Or(op.Of, op.Verb)
	if rt.authority.Permits(verb, op.Effect) {
		return next(op)
	}
	return nil, primitives.Errorf(primitives.Denied, op.Verb, op.Object,
		"the script does not declare this power; add %q to touches in its head", verb)
}
