package crc32c

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// TestUpdate compares with hash/crc32, for all lengths around those where the way changes, at all
// alignments, from any checksum on.
func TestUpdate(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	buf := make([]byte, 66_000)
	r.Read(buf)
	check := func(at, n int) {
		crc := uint32(r.Uint64())
		p := buf[at : at+n]
		if got, want := Update(crc, p), crc32.Update(crc, table, p); got != want {
			t.Fatalf("%d bytes at %d, from %#x: %#x, want %#x", n, at, crc, got, want)
		}
	}
	for n := range 1600 {
		check(n%64, n)
	}
	for at := range 64 {
		check(at, 1452)
		check(at, 65_507)
	}
}

// TestKnown is the check value of the catalogue of CRCs, and ones with every bit at work.
func TestKnown(t *testing.T) {
	if got := Update(0, []byte("123456789")); got != 0xe3069283 {
		t.Errorf("%#x, want 0xe3069283", got)
	}
	p := make([]byte, 320)
	whole := Update(0, p)
	for bit := range 8 * len(p) {
		p[bit/8] ^= 1 << (bit % 8)
		if Update(0, p) == whole {
			t.Errorf("bit %d makes no difference", bit)
		}
		p[bit/8] ^= 1 << (bit % 8)
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add(uint32(0), []byte("123456789"))
	f.Add(^uint32(0), make([]byte, 1452))
	f.Fuzz(func(t *testing.T, crc uint32, p []byte) {
		if got, want := Update(crc, p), crc32.Update(crc, table, p); got != want {
			t.Errorf("%#x, want %#x", got, want)
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{40, 300, 1452, 1468, 65_507} {
		p := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Update(0, p)
			}
		})
		b.Run(fmt.Sprint(n, "/standard"), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				crc32.Update(0, table, p)
			}
		})
	}
}
