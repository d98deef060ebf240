package failover

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now reads the clock that the lease goes by. It counts from the machine's start, is never set, and goes on while the
// machine is suspended, which Go's own monotonic clock does not.
func Now() Moment {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Since(started)
	}
	return Moment(ts.Nano())
}

var started = time.Now()
