package tree

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything in the file system of a directory durable.
func syncAll(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }
