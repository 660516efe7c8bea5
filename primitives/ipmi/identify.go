package ipmi

import (
	"context"
	"fmt"
	"time"

	"ctys/primitives"
)

// mostIdentify is the longest time for which Chassis Identify (28.5) can be asked.
const mostIdentify = 255 * time.Second

// check tells what is wrong with a request to identify.
func (i Identify) check() error {
	switch {
	case i.Forever && i.For != 0:
		return failed(primitives.Invalid, fmt.Sprintf("identify for ever and for %s exclude each other", i.For), nil)
	case i.For < 0 || i.For > mostIdentify || i.For%time.Second != 0:
		return failed(primitives.Invalid, fmt.Sprintf("identify for %s: whole seconds from 0 (off) to 255 are possible", i.For), nil)
	}
	return nil
}

// identify is Chassis Identify (28.5). The second byte is optional for a BMC,
// so that it is sent only where it is meant; the first then is the longest
// time, for a BMC that overlooks the second.
func identify(ctx context.Context, a asker, what Identify) error {
	c := command{netFn: netFnChassis, number: 0x04, data: []byte{byte(what.For / time.Second)}}
	if what.Forever {
		c.data = []byte{byte(mostIdentify / time.Second), 1}
		c.codes = refusesForever
	}
	_, err := a.ask(ctx, c)
	return err
}

// refusesForever words what a BMC answers that cannot identify without an end.
var refusesForever = func() map[byte]meaning {
	cannot := meaning{primitives.Unsupported, "it cannot identify for ever; ask for up to 255 seconds"}
	return map[byte]meaning{0xc7: cannot, 0xc8: cannot, 0xc9: cannot, 0xcc: cannot}
}()
