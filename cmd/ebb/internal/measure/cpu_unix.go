//go:build unix

package measure

import (
	"syscall"
	"time"
)

// processorTime is what this process has used so far, in its own code and in the
// kernel's.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
