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
)

// setLinkTime does nothing: links have no times of their own here.
func setLinkTime(*os.Root, string, time.Time) {}

// reachable is what a folder needs so that its owner can write into it.
const reachable fs.FileMode = 0o200
