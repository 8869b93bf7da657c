package machine

import "golang.org/x/sys/unix"

func physical() int64 { return sysctl("hw.physmem") }

func group() int64 { return 0 }

func sysctl(name string) int64 {
	n, err := unix.SysctlUint64(name)
	if err != nil {
		return 0
	}
	return int64(n)
}
