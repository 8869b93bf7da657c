// Package machine says how large the machine is: as much of it as this process may use.
package machine

import (
	"math"
	"runtime/debug"
)

// Size is what a process may use.
type Size struct {
	Memory      int64 // bytes; 1 GiB if it is not known
	Descriptors int   // that it may open; 0: not known, or no limit
}

// unknownMemory is what a machine is taken to have that does not say.
const unknownMemory = 1 << 30

// Ours reads the size of this machine: the physical memory or, if less, the bound of the control group (Linux), or
// that of the Go runtime (GOMEMLIMIT).
func Ours() Size {
	memory := int64(math.MaxInt64)
	for _, n := range []int64{physical(), group(), debug.SetMemoryLimit(-1)} {
		if n > 0 {
			memory = min(memory, n)
		}
	}
	if memory == math.MaxInt64 {
		memory = unknownMemory
	}
	return Size{Memory: memory, Descriptors: descriptors()}
}
