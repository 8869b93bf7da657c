package udp

import (
	"errors"
	"syscall"
)

// SyscallConn is the socket for its options: Control alone works. Whoever read or wrote it would take packets from its connections or put
// bytes between them. A PacketConn that is not the system's may have none: errors.ErrUnsupported.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	if s.raw == nil {
		return nil, errors.ErrUnsupported
	}
	return controlConn{s.raw}, nil
}

// controlConn is a RawConn for Control.
type controlConn struct{ raw syscall.RawConn }

func (c controlConn) Control(f func(fd uintptr)) error { return c.raw.Control(f) }
func (controlConn) Read(func(fd uintptr) bool) error   { return errors.ErrUnsupported }
func (controlConn) Write(func(fd uintptr) bool) error  { return errors.ErrUnsupported }
