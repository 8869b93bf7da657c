// Package prefetch tells the processor which memory comes next. A stream is written by one processor and
// read by another, so its memory is in the other's cache when it is written again. Asked for while
// there is still something else to do, it is there in time. Nothing but time changes, and on processors other
// than amd64 not even that.
package prefetch

// Write asks for memory that is about to be written.
func Write(b []byte) {
	if len(b) > 0 {
		write(&b[0], len(b))
	}
}
