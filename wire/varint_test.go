package wire

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// unhex returns the bytes that s shows; spaces are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVarint(t *testing.T) {
	for _, tt := range []struct {
		v   uint64
		hex string
	}{
		// RFC 9000 appendix A.1.
		{151288809941952652, "c2197c5eff14e88c"},
		{494878333, "9d7f3e7d"},
		{15293, "7bbd"},
		{37, "25"},
		// The ends of each length.
		{0, "00"},
		{1<<6 - 1, "3f"},
		{1 << 6, "4040"},
		{1<<14 - 1, "7fff"},
		{1 << 14, "80004000"},
		{1<<30 - 1, "bfffffff"},
		{1 << 30, "c000000040000000"},
		{MaxOffset, "ffffffffffffffff"},
	} {
		b := appendVarint(nil, tt.v)
		if got := hex.EncodeToString(b); got != tt.hex {
			t.Errorf("%d is written as %s, want %s", tt.v, got, tt.hex)
		}
		if got := varintLen(tt.v); got != len(b) {
			t.Errorf("varintLen(%d) = %d, want %d", tt.v, got, len(b))
		}
		c := cursor{b: append(unhex(t, tt.hex), 0xaa)}
		if got := c.varint(); got != tt.v || c.err != nil || len(c.b) != 1 {
			t.Errorf("%s is read as %d, error %v, %d bytes left; want %d and 1 left", tt.hex, got, c.err, len(c.b), tt.v)
		}
		for n := range len(b) {
			if c := (cursor{b: b[:n]}); c.varint() != 0 || c.err != ErrTruncated {
				t.Errorf("%d bytes of %s: error %v, want %v", n, tt.hex, c.err, ErrTruncated)
			}
		}
	}
}

// TestVarintMustBeShort carries, of docs/wire.md: [W1].
func TestVarintMustBeShort(t *testing.T) {
	for _, s := range []string{
		"4000", "403f", "4025", // RFC 9000 appendix A.1 would allow the last, as 37
		"80000000", "80003fff",
		"c000000000000000", "c00000003fffffff",
	} {
		c := cursor{b: unhex(t, s)}
		if v := c.varint(); v != 0 || c.err != errVarint {
			t.Errorf("%s is read as %d, error %v; want %v", s, v, c.err, errVarint)
		}
	}
}

func TestCursorKeepsTheFirstError(t *testing.T) {
	c := cursor{b: unhex(t, "4000 01 02")}
	c.varint()
	if v := c.varint(); v != 0 || c.uint32() != 0 || c.bytes(1) != nil || c.err != errVarint {
		t.Errorf("after an error: read %d, error %v; want zeros and %v", v, c.err, errVarint)
	}
}
