package wire

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// TestSeedIsTheChecksumOfThePseudoHeader carries, of docs/wire.md: [W19] [W20].
func TestSeedIsTheChecksumOfThePseudoHeader(t *testing.T) {
	// The check value of CRC-32C in the catalogue of CRCs.
	if got := crc32.Checksum([]byte("123456789"), castagnoli); got != 0xe3069283 {
		t.Fatalf("CRC32C of 123456789 is %08x, want e3069283", got)
	}
	dst, src := ID(0x0102030405060708), ID(0xf1f2f3f4f5f6f7f8)
	eight := func(id ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }
	for _, tt := range []struct {
		name     string
		version  uint32
		dst, src ID
		want     [][]byte
	}{
		{"both IDs", Version, dst, src, [][]byte{{0x45, 0x42, 0x42, 0x02}, eight(dst), eight(src)}},
		{"no dst", Version, 0, src, [][]byte{{0x45, 0x42, 0x42, 0x02}, eight(src)}},
		{"no src", Version, dst, 0, [][]byte{{0x45, 0x42, 0x42, 0x02}, eight(dst)}},
		{"version 0", 0, dst, src, [][]byte{{0, 0, 0, 0}, eight(dst), eight(src)}},
		{"nothing", 0, 0, 0, [][]byte{{0, 0, 0, 0}}},
	} {
		want := crc32.Checksum(bytes.Join(tt.want, nil), crc32.MakeTable(crc32.Castagnoli))
		if got := Seed(tt.version, tt.dst, tt.src); got != want {
			t.Errorf("%s: seed %08x, want %08x", tt.name, got, want)
		}
	}
	long := bytes.Repeat([]byte{7}, 20)
	want := crc32.Checksum(append([]byte{0, 0, 0, 0, 9}, long...), castagnoli)
	if got := seedBytes(0, []byte{9}, long); got != want {
		t.Errorf("seed of odd IDs %08x, want %08x", got, want)
	}
}

// TestTrailer carries, of docs/wire.md: [W19].
func TestTrailer(t *testing.T) {
	seed := Seed(Version, 1, 2)
	packet := AppendTrailer([]byte("before|a packet"), len("before|"), seed)[len("before|"):]
	want := crc32.Checksum([]byte("EBB\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02a packet"), castagnoli)
	if got := binary.BigEndian.Uint32(packet[len(packet)-4:]); got != want {
		t.Errorf("trailer %08x, want %08x", got, want)
	}
	if !Verify(packet, seed) {
		t.Error("the trailer that was appended does not verify")
	}
	if Verify(packet, Seed(Version, 2, 1)) {
		t.Error("the trailer verifies with the IDs swapped")
	}
	for bit := range len(packet) * 8 {
		packet[bit/8] ^= 1 << (bit % 8)
		if Verify(packet, seed) {
			t.Errorf("the trailer verifies with bit %d changed", bit)
		}
		packet[bit/8] ^= 1 << (bit % 8)
	}
	for n := range len(packet) {
		if Verify(packet[:n], seed) {
			t.Errorf("the trailer verifies with %d bytes of %d", n, len(packet))
		}
	}
}
