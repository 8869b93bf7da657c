package udp

import (
	"net"

	"golang.org/x/sys/unix"
)

// batchSize is the most messages that one system call moves. A train of 64 KiB
// that has to be cut up is 45 full packets.
const batchSize = 64

// batchLink moves many messages a system call, by recvmmsg and sendmmsg, and
// leaves it to the kernel to cut trains up and to put them together.
type batchLink struct {
	socket *Socket
	reader
	writer
	errors errorQueue
}

func newBatchLink(s *Socket, _ *net.UDPConn, opt Options) link {
	s.gso.Store(!opt.NoGSO && sendsTrains(s.raw))
	s.features.gro = !opt.NoGRO && receiveTrains(s.raw)
	l := &batchLink{socket: s}
	l.errors.on = !opt.NoReports && receiveErrors(s.raw, &s.features)
	s.features.reports = l.errors.on
	l.drain, l.push = l.readAll, l.sendOut
	return l
}

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received
}
