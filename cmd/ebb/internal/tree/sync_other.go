//go:build !linux

package tree

import "os"

// syncAll makes the directory durable, as far as the system can; small files in it are when the system gets to it.
func syncAll(dir *os.File) error { return dir.Sync() }
