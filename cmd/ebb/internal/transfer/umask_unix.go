//go:build unix

package transfer

import (
	"io/fs"
	"syscall"
)

// Umask is the file mode creation mask of the process. The system tells it only when it is set, so it
// is for the start of a program, before other goroutines make files.
func Umask() fs.FileMode {
	mask := syscall.Umask(0o077)
	syscall.Umask(mask)
	return fs.FileMode(mask).Perm()
}
