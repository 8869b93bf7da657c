//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package udp

import "syscall"

// waitReadable returns at once: the system does not tell beforehand.
func waitReadable(syscall.RawConn) error { return nil }

// waitWritable returns at once: no write ends in ErrWouldBlock.
func waitWritable(syscall.RawConn) error { return nil }
