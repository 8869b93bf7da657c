//go:build unix

package tree

import (
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

const (
	onWindows = false
	// nonBlocking opens a pipe that has taken the place of a file without waiting for its other end.
	nonBlocking = unix.O_NONBLOCK
)

// setLinkTime sets the modification time of a symbolic link itself. A failure does not matter: some systems cannot.
func setLinkTime(root *os.Root, name string, t time.Time) {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return
	}
	defer dir.Close()
	spec, err := unix.TimeToTimespec(t)
	if err != nil {
		return
	}
	unix.UtimesNanoAt(int(dir.Fd()), path.Base(name), []unix.Timespec{spec, spec}, unix.AT_SYMLINK_NOFOLLOW)
}

// reachable is what a folder needs so that its owner can write into it.
const reachable fs.FileMode = 0o700
