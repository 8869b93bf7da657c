package wire

import (
	"encoding/binary"
	"hash/crc32"

	"example.com/ebb/internal/crc32c"
)

// castagnoli is the table of CRC32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seed is the state of the checksum after the part of it that is not in the
// packet: the version and both IDs. It is the same for all packets that one side
// of a connection sends with the same version and IDs. An absent ID is 0.
// For VERSIONS the version is 0.
func Seed(version uint32, dst, src ID) uint32 {
	crc := seedUint32(version)
	for _, id := range [...]ID{dst, src} {
		if id != 0 {
			for shift := 56; shift >= 0; shift -= 8 {
				crc = seedByte(crc, byte(id>>shift))
			}
		}
	}
	return ^crc
}

// seedBytes is Seed for the IDs of any version, as they stand in the packet.
func seedBytes(version uint32, dst, src []byte) uint32 {
	crc := seedUint32(version)
	for _, b := range dst {
		crc = seedByte(crc, b)
	}
	for _, b := range src {
		crc = seedByte(crc, b)
	}
	return ^crc
}

// Verify reports whether the trailer of a packet is right. The seed is that of
// the direction in which the packet travelled.
func Verify(packet []byte, seed uint32) bool {
	n := len(packet) - TrailerSize
	return n >= 0 && crc32c.Update(seed, packet[:n]) == binary.BigEndian.Uint32(packet[n:])
}

// AppendTrailer ends the packet that begins at dst[start]. One that would begin elsewhere is empty.
func AppendTrailer(dst []byte, start int, seed uint32) []byte {
	start = int(min(uint(start), uint(len(dst))))
	return binary.BigEndian.AppendUint32(dst, crc32c.Update(seed, dst[start:]))
}

// seedUint32 begins a checksum with four bytes. Like seedByte it works on the
// inverted state that the algorithm keeps inside.
func seedUint32(v uint32) uint32 {
	crc := ^uint32(0)
	for shift := 24; shift >= 0; shift -= 8 {
		crc = seedByte(crc, byte(v>>shift))
	}
	return crc
}

// seedByte goes one byte on. The seed is too short for crc32c.Update to be worth
// its call.
func seedByte(crc uint32, b byte) uint32 {
	return castagnoli[byte(crc)^b] ^ crc>>8
}
