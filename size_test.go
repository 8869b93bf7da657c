package ebb

import (
	"testing"
	"unsafe"
)

// A connection is in this size class of the allocator. Programs have many that are idle.
func TestSizeOfConn(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 288 {
		t.Errorf("a connection takes %d bytes; the size class is 288", size)
	}
}
