package limits

import (
	"testing"
	"unsafe"
)

// TestSizeOfConn: each connection of an endpoint has one, the idle ones too. It is of the allocator's class of 128 bytes; the next is 144.
func TestSizeOfConn(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 128 {
		t.Errorf("a Conn takes %d bytes", size)
	}
}
