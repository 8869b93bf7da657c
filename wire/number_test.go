package wire

import (
	"math/rand/v2"
	"testing"
)

// TestNumberLen carries, of docs/wire.md: [W15] [W16].
func TestNumberLen(t *testing.T) {
	for _, tt := range []struct {
		number, acked uint64
		anyAcked      bool
		want          int
	}{
		// RFC 9000 appendix A.2, where 2 bytes would do for the first.
		{0xac5c02, 0xabe8b3, true, 3},
		{0xace8fe, 0xabe8b3, true, 3},
		// Half the numbers that fit in the bytes is the distance's bound.
		{0, 0, false, 3},
		{1 << 23, 0, true, 3},
		{1 << 23, 0, false, 4},
		{1<<23 + 1, 0, true, 4},
		{1 << 31, 0, true, 4},
		{MaxOffset, MaxOffset - 1, true, 3},
	} {
		if got := NumberLen(tt.number, tt.acked, tt.anyAcked); got != tt.want {
			t.Errorf("NumberLen(%#x, %#x, %v) = %d, want %d", tt.number, tt.acked, tt.anyAcked, got, tt.want)
		}
	}
}

// TestDecodeNumber carries, of docs/wire.md: [W17].
func TestDecodeNumber(t *testing.T) {
	for _, tt := range []struct {
		largest   uint64
		received  bool
		truncated uint64
		n         int
		want      uint64
	}{
		{0xa82f30ea, true, 0x9b32, 2, 0xa82f9b32}, // RFC 9000 appendix A.3
		{0, false, 0, 1, 0},
		{0, false, 0xff, 1, 0xff}, // nothing lies below 0
		{99, false, 5, 1, 5},      // largest means nothing
		// A window of 256 around 0x1000: from 0xf81 to 0x1080.
		{0xfff, true, 0x80, 1, 0x1080},
		{0xfff, true, 0x81, 1, 0xf81},
		{0xfff, true, 0xff, 1, 0xfff},
		{0xfff, true, 0x00, 1, 0x1000},
		{0x10bf, true, 0x40, 1, 0x1140}, // as far above 0x10c0 as below it: above
		{0x10bf, true, 0x41, 1, 0x1041},
		{0x7f, true, 0xff, 1, 0xff},
		{0x7e, true, 0xff, 1, 0xff},
		// The ends of the number space.
		{MaxOffset, true, 0xff, 1, MaxOffset},
		{MaxOffset, true, 0x00, 1, MaxOffset - 0xff},
		{MaxOffset - 1, true, 0xff, 1, MaxOffset},
		{MaxOffset - 0x80, true, 0x00, 1, MaxOffset - 0xff},
		{0xffffffff, true, 0, 4, 1 << 32},
		{1 << 33, true, 0xffffffff, 4, 1<<33 - 1},
	} {
		if got := DecodeNumber(tt.largest, tt.received, tt.truncated, tt.n); got != tt.want {
			t.Errorf("DecodeNumber(%#x, %v, %#x, %d) = %#x, want %#x", tt.largest, tt.received, tt.truncated, tt.n, got, tt.want)
		}
	}
}

// The receiver knows no less than what it has acknowledged and may know anything
// up to the number itself, or be ahead of it by as much as the length allows.
func TestNumberRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		acked := rng.Uint64N(MaxOffset) >> rng.IntN(62)
		distance := 1 + rng.Uint64N(1<<31)>>rng.IntN(31)
		number := min(acked+distance, MaxOffset)
		n := NumberLen(number, acked, true)
		truncated := number & (1<<(8*n) - 1)
		ahead := rng.Uint64N(1 << (8*n - 1))
		for _, largest := range []uint64{acked, acked + rng.Uint64N(number-acked+1), number, min(number+ahead, MaxOffset) - 1} {
			if got := DecodeNumber(largest, true, truncated, n); got != number {
				t.Fatalf("%#x with %#x acknowledged is sent in %d bytes, and read as %#x after %#x", number, acked, n, got, largest)
			}
		}
	}
}
