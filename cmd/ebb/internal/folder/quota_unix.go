//go:build unix

package folder

import "syscall"

// errDiskQuota is the error of a write beyond what the user may have on the disk.
const errDiskQuota = syscall.EDQUOT
