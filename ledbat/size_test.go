package ledbat

import (
	"testing"
	"unsafe"
)

// TestSizeOfAdaptive: the controller of the default mode fits into the allocator's class of 1024 bytes; the next is 1152. Each of
// many idle connections has one.
func TestSizeOfAdaptive(t *testing.T) {
	if size := unsafe.Sizeof(adaptive{}); size > 1024 {
		t.Errorf("it takes %d bytes", size)
	}
}
