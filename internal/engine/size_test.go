package engine

import (
	"testing"
	"unsafe"
)

// TestConnSize: a Conn fits into the allocator's class of 1792 bytes; the next is 2048. Ten
// thousand idle connections are a use that Ebb is for.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 1792 {
		t.Errorf("a Conn has %d bytes", size)
	}
}
