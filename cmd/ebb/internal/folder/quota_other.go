//go:build !unix

package folder

import "syscall"

// errDiskQuota is ERROR_DISK_FULL, which is Windows' ENOSPC.
const errDiskQuota = syscall.Errno(112)
