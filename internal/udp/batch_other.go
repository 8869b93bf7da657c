//go:build !linux

package udp

import "net"

// newBatchLink returns nil: the system moves one datagram a call.
func newBatchLink(*Socket, *net.UDPConn, Options) link { return nil }
