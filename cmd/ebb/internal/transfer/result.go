package transfer

import (
	"crypto/sha256"
	"fmt"
	"time"

	"example.com/ebb/internal/untrusted"
)

// bufferSize is how much is moved between file and connection at a time.
const bufferSize = 256 << 10

// Result is the outcome of one file.
type Result struct {
	Name    untrusted.Text    // on the disk it is string(Name)
	Size    int64             // bytes
	Elapsed time.Duration     // from the first byte of its content to the verdict; 0 if it was refused
	Sum     [sha256.Size]byte // SHA-256 of the content; zero if Err is not nil
	Err     error             // nil: complete, verified, on the receiver's disk and under its name
}

// IncompleteError ends a session that was orderly but left files behind. The
// reasons are in the Results.
type IncompleteError struct {
	Failed, Offered int // files
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d of %d files not stored", e.Failed, e.Offered)
}
