//go:build !unix

package transfer

import (
	"os"
	"time"
)

const (
	// unlockedAfter is how long a file that nobody has written to counts as somebody's where there are no locks.
	unlockedAfter = time.Hour
	// lockAttempts is how many new files are locked until one is used that is not.
	lockAttempts = 1
)

// Lock takes a file that is being received for this process. It reports false if somebody may have it.
func Lock(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && time.Since(info.ModTime()) > unlockedAfter
}
