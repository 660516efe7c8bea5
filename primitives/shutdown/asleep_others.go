//go:build !linux

package shutdown

import "time"

// asleepSoFar is not told by this system.
func asleepSoFar() time.Duration { return 0 }
