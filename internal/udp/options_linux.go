package udp

import "golang.org/x/sys/unix"

const (
	receiveInfo4  = unix.IP_PKTINFO
	receiveForced = unix.SO_RCVBUFFORCE
	sendForced    = unix.SO_SNDBUFFORCE
	// bufferMeasure is how many bytes the system books for each it is asked.
	bufferMeasure = 2
	// looseIPv4 says that an IPv6 socket takes IPv4's options and control
	// messages for the IPv4 datagrams it carries.
	looseIPv4 = true
)

// To probe is to set don't-fragment and to refuse nothing for an MTU learnt
// from ICMP, which anybody could have sent: only the interface's own counts.
var (
	dontFragment4 = option{unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}
	dontFragment6 = option{unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE}
)

// reportArrivals makes each datagram carry the time of its arrival, and reports whether it will.
func reportArrivals(fd int) bool {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) == nil
}

// reportDropped makes each datagram carry the count of those that were lost
// before it. An older system without it counts nothing.
func reportDropped(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
}
