package udp

import (
	"errors"
	"syscall"
)

// ErrWouldBlock is returned by a Write that found the socket's buffer full.
// WaitWritable returns when it is worth another try.
var ErrWouldBlock = errors.New("udp: send buffer full")

// ErrInterrupted is returned by a Receive that Interrupt has ended.
var ErrInterrupted = errors.New("udp: receive interrupted")

// IsTemporary reports whether a socket goes on after an error of Read or
// Write: a full buffer or queue, a host or network out of reach for now, a
// datagram too big for its path, a firewall's refusal, or what ICMP said of an
// earlier datagram. The transport treats them as loss.
func IsTemporary(err error) bool {
	if errors.Is(err, ErrWouldBlock) {
		return true
	}
	var errno syscall.Errno
	return errors.As(err, &errno) && kindOf(errno) != kindOther
}

// IsUnreachable reports whether an error of Write says that the system cannot send to the address at all, as connect would
// say: there is no way to it, or none that it may go, or it is no address for this socket. A firewall's EPERM is none of that:
// it concerns one datagram.
func IsUnreachable(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	kind := kindOf(errno)
	return kind == kindUnreachable || kind == kindOther || errno == syscall.EACCES
}

// errorKind is what an error of the system means to a transport.
type errorKind int

const (
	kindOther errorKind = iota
	kindWouldBlock
	kindNoBuffers
	kindUnreachable
	kindRefused
	kindTooBig
	kindForbidden
)

// kindOf classifies an error of the system.
func kindOf(errno syscall.Errno) errorKind {
	switch errno {
	case syscall.EAGAIN:
		return kindWouldBlock
	case syscall.ENOBUFS, syscall.ENOMEM:
		return kindNoBuffers
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.EADDRNOTAVAIL:
		return kindUnreachable
	case syscall.ECONNREFUSED, syscall.ENOPROTOOPT:
		return kindRefused
	case syscall.EMSGSIZE:
		return kindTooBig
	case syscall.EPERM, syscall.EACCES:
		return kindForbidden
	}
	return systemKind(errno)
}
