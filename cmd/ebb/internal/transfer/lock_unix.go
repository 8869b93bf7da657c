//go:build unix

package transfer

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockAttempts is how many new files are locked until one is used that is not.
const lockAttempts = 3

// Lock takes a file that is being received for this process, until it is closed. It reports false if somebody has it.
func Lock(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
