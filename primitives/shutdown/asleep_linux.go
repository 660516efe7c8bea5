package shutdown

import (
	"time"

	"golang.org/x/sys/unix"
)

// asleepSoFar is by how much the clock that goes on while the machine sleeps is
// ahead of the one that does not (clock_gettime(2), CLOCK_BOOTTIME and
// CLOCK_MONOTONIC); 0 where the kernel has not both.
func asleepSoFar() time.Duration {
	var all, awake unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &all) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake) != nil {
		return 0
	}
	return time.Duration(all.Nano() - awake.Nano()).Round(time.Second)
}
