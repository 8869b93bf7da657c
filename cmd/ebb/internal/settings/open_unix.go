//go:build unix

package settings

import "syscall"

// nonblock makes opening a file not wait for what is at its other end.
const nonblock = syscall.O_NONBLOCK
