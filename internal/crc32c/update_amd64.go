package crc32c

import (
	"hash/crc32"

	"golang.org/x/sys/cpu"
)

// least is the shortest input, in bytes, that update512 takes.
const least = 256

// update continues a checksum.
func update(crc uint32, p []byte) uint32 {
	if len(p) >= least && fast() {
		return ^update512(^crc, p)
	}
	return crc32.Update(crc, table, p)
}

// fast reports whether the processor has, and the system keeps, what update512 uses.
func fast() bool { return cpu.X86.HasAVX512VPCLMULQDQ && cpu.X86.HasAVX512F && cpu.X86.HasSSE42 }

// update512 continues a remainder, a checksum with its bits inverted. The length of p is at least
// 256.
//
//go:noescape
func update512(crc uint32, p []byte) uint32
