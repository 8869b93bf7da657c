package engine

import (
	"testing"
	"unsafe"
)

// TestConnSize: a Conn fits into the allocator's class of 1536 bytes; the next is 1792. Ten
// thousand idle connections are a use that Ebb is for.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 1536 {
		t.Errorf("a Conn has %d bytes", size)
	}
}
