package measure

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is the processor time, user and system together, that all threads of a process have
// taken since it began, those that have ended included. It is the process's CPU clock, which counts nanoseconds,
// where /proc/PID/stat counts hundredths of a second. Children are not included.
func CPUTime(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(cpuClock(pid), &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// cpuClock is what clock_getcpuclockid(3) gives for a process: the complement of its id, shifted,
// and which of its clocks, here the scheduler's.
func cpuClock(pid int) int32 {
	const scheduler = 2
	return int32(^pid)<<3 | scheduler
}
