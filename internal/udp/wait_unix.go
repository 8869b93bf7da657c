//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The waits below ask the system about readiness each time before they sleep.
// The runtime's poller reports only changes, and the one that is waited for may
// have come before the wait began.

// waitReadable waits until a read would not wait.
func waitReadable(raw syscall.RawConn) error {
	return raw.Read(func(fd uintptr) bool { return ready(fd, unix.POLLIN) })
}

// waitWritable waits until a write would not wait.
func waitWritable(raw syscall.RawConn) error {
	return raw.Write(func(fd uintptr) bool { return ready(fd, unix.POLLOUT) })
}

// ready reports whether the events, or an error, are there now. If the system
// does not tell, they are: the read or write itself will say more.
func ready(fd uintptr, events int16) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		n, err := unix.Poll(fds[:], 0)
		if err != unix.EINTR {
			return n != 0 || err != nil
		}
	}
}
