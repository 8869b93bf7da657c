//go:build !unix

package tree

import (
	"io/fs"
	"os"
	"time"
)

const (
	onWindows   = true
	nonBlocking = 0
	// unlockedAfter is how long a partial file that nobody has written to counts as somebody's where there are no locks.
	unlockedAfter = time.Hour
)

// lock takes a partial file for this process. It reports false if somebody may have it.
func lock(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && (info.Size() == 0 || time.Since(info.ModTime()) > unlockedAfter)
}

// setLinkTime does nothing: links have no times of their own here.
func setLinkTime(*os.Root, string, time.Time) {}

// reachable is what a folder needs so that its owner can write into it.
const reachable fs.FileMode = 0o200
