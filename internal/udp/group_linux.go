package udp

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// sharePort opens the socket's port to other sockets of the same user that ask for the same, before
// or after it is bound.
func sharePort(raw syscall.RawConn) error {
	var err error
	cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("sharing the port (SO_REUSEPORT): %w", err)
	}
	return nil
}
