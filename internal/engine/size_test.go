package engine

import (
	"testing"
	"unsafe"
)

// header is what the allocator puts before an object of more than 512 bytes that has pointers.
const header = 8

// TestConnSize: a Conn fits into the allocator's class of 1792 bytes; the next is 2048. Ten
// thousand idle connections are a use that Ebb is for.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}) + header; size > 1792 {
		t.Errorf("a Conn takes %d bytes", size)
	}
}
