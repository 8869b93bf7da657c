//go:build !linux && !windows

package udp

import "syscall"

// systemKind knows nothing beyond the errors that all systems share.
func systemKind(syscall.Errno) errorKind { return kindOther }
