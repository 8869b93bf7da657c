package udp

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// systemKind classifies Winsock's own error numbers.
func systemKind(errno syscall.Errno) errorKind {
	switch errno {
	case windows.WSAEWOULDBLOCK:
		return kindWouldBlock
	case windows.WSAENOBUFS:
		return kindNoBuffers
	case windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN,
		windows.WSAEADDRNOTAVAIL, windows.WSAENETRESET:
		return kindUnreachable
	case windows.WSAECONNREFUSED, windows.WSAECONNRESET: // the second is a port unreachable
		return kindRefused
	case windows.WSAEMSGSIZE:
		return kindTooBig
	case windows.WSAEACCES:
		return kindForbidden
	}
	return kindOther
}
