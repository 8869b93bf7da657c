package transfer

import (
	"math"
	"sync"
)

// Quota bounds what the sessions of receivers store together. Methods may be called from any number of
// goroutines. A file counts from the moment it is accepted; one that is then not stored is given back.
type Quota struct {
	mu    sync.Mutex
	files int64 // left
	bytes int64 // left
}

// NewQuota returns a quota of so many files and bytes of content; a number below 1 is no limit.
func NewQuota(files, bytes int64) *Quota {
	q := &Quota{files: files, bytes: bytes}
	if files < 1 {
		q.files = math.MaxInt64
	}
	if bytes < 1 {
		q.bytes = math.MaxInt64
	}
	return q
}

// Take is called for each file of so many bytes that is accepted, and reports whether there is room. A nil Quota has room for all.
func (q *Quota) Take(size int64) bool {
	if q == nil {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.files < 1 || size > q.bytes {
		return false
	}
	q.files--
	q.bytes -= size
	return true
}

// GiveBack is called for each accepted file that was not stored.
func (q *Quota) GiveBack(size int64) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.files++
	q.bytes += size
}
