//go:build !darwin && !freebsd && !linux && !windows

package udp

import (
	"net"
	"syscall"
)

// configure sets nothing on this system.
func configure(syscall.RawConn, bool) (features, error) { return features{}, nil }

// resize asks for the socket's buffers; not to grant it is no error.
func resize(c *net.UDPConn, _ syscall.RawConn, opt Options) { resizePacketConn(c, opt) }

// bufferSizes knows nothing on this system.
func bufferSizes(syscall.RawConn) (receive, send int) { return 0, 0 }
