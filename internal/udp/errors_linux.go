package udp

import "syscall"

// systemKind classifies the errors that Linux alone makes of ICMP messages.
func systemKind(errno syscall.Errno) errorKind {
	switch errno {
	case syscall.ENONET, syscall.EPROTO:
		return kindUnreachable
	}
	return kindOther
}
