//go:build unix

package debug

import (
	"context"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// listenPrivately listens on a new Unix socket with mode 0600. Where the system heeds the mode that a socket has before it is bound, as
// Linux does, there is no moment at which it has another.
func listenPrivately(path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.Fchmod(int(fd), 0o600) // an error is one of the systems below
		})
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// ownedAndClosed reports whether a directory is the user's and nobody else may write to it.
func ownedAndClosed(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid() && info.Mode().Perm()&0o022 == 0
}
