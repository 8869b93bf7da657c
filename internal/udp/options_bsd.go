//go:build darwin || freebsd

package udp

import "golang.org/x/sys/unix"

const (
	receiveForced = 0
	sendForced    = 0
	// bufferMeasure is how many bytes the system books for each it is asked.
	bufferMeasure = 1
	// looseIPv4 says that an IPv6 socket takes IPv4's options and control
	// messages for the IPv4 datagrams it carries.
	looseIPv4 = false
)

var (
	dontFragment4 = option{unix.IP_DONTFRAG, 1}
	dontFragment6 = option{unix.IPV6_DONTFRAG, 1}
)

// reportArrivals does nothing: a datagram counts as arrived when it is read.
func reportArrivals(int) bool { return false }

// reportDropped does nothing: the system does not say.
func reportDropped(int) {}
