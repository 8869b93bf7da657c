//go:build !unix

package transfer

import "io/fs"

// Umask is the file mode creation mask of the process, which this system does not have.
func Umask() fs.FileMode { return 0 }
