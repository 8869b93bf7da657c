// Package prefetch tells the processor which memory is needed next. One processor writes a stream and another
// reads it, so its memory is in the other's cache when it is written again. If it is asked for while there
// is still something else to do, it arrives in time. It changes nothing but the time that a write takes, and
// on processors other than amd64 nothing at all.
package prefetch

// Write asks the processor for memory that is about to be written.
func Write(b []byte) {
	if len(b) > 0 {
		write(&b[0], len(b))
	}
}
