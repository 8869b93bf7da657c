//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The waits below ask the system about readiness each time before they sleep.
// The runtime's poller reports only changes, and the one that is waited for may
// have come before the wait began.

// waitReadable waits until a read would not wait, be it for an error.
func waitReadable(raw syscall.RawConn) error {
	return raw.Read(func(fd uintptr) bool { return ready(fd, unix.POLLIN|unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) })
}

// waitWritable waits until a write would not wait. That there is an error is not enough: it may be one for whoever
// reads, and a write would find no more room than before.
func waitWritable(raw syscall.RawConn) error {
	return raw.Write(func(fd uintptr) bool { return ready(fd, unix.POLLOUT|unix.POLLHUP|unix.POLLNVAL) })
}

// ready reports whether any of the events is there now. If the system does not tell, it
// is: the read or write itself will say more.
func ready(fd uintptr, events int16) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(fds[:], 0)
		if err != unix.EINTR {
			return fds[0].Revents&events != 0 || err != nil
		}
	}
}
