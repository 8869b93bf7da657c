//go:build !linux

package udp

import (
	"errors"
	"fmt"
	"syscall"
)

// sharePort fails: other systems have no SO_REUSEPORT, or give all that arrives to one socket.
func sharePort(syscall.RawConn) error {
	return fmt.Errorf("several sockets on one port need Linux: %w", errors.ErrUnsupported)
}
