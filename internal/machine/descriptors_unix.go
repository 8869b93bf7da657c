//go:build linux || darwin || freebsd

package machine

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptors is the process's limit, which package os has raised as far as it may.
func descriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
