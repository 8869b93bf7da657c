package ledbat

import (
	"testing"
	"unsafe"
)

// TestSizeOfAdaptive: the controller of the default mode fits into the allocator's class of 896 bytes; the next is 1024. Each of
// many idle connections has one.
func TestSizeOfAdaptive(t *testing.T) {
	if size := unsafe.Sizeof(adaptive{}); size > 896 {
		t.Errorf("it takes %d bytes", size)
	}
}
