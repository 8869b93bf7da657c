// Package crc32c is the CRC32C of RFC 9260 appendix A, as package hash/crc32 has it, but faster for
// packets. Package hash/crc32 is made for longer inputs: it handles a third of a packet of 1452 bytes
// in steps of eight bytes, each of which waits for the one before.
package crc32c

import "hash/crc32"

var table = crc32.MakeTable(crc32.Castagnoli)

// Update continues a checksum: it returns that of some bytes followed by p, where crc is the
// checksum of these bytes. The checksum of nothing is 0.
func Update(crc uint32, p []byte) uint32 { return update(crc, p) }
