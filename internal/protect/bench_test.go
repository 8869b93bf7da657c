package protect

import (
	"fmt"
	"testing"

	"example.com/ebb/wire"
)

// TestNoAllocation: neither sealing nor opening allocates, in any suite.
func TestNoAllocation(t *testing.T) {
	for _, s := range suites {
		a, b := sides(t, s, Limits{Update: 1 << 30, Sealed: 1 << 31, Forged: 1})
		buf := make([]byte, 0, 1500)
		payload := make([]byte, 1200)
		n := testing.AllocsPerRun(100, func() {
			p := wire.Must(wire.AppendShort(buf, 9, a.next, 3))
			h := len(p)
			p = a.Seal(append(p, payload...), 0, h, a.next)
			a.next++
			number, _, ok := b.Open(p, wire.ShortHeaderLen(0), b.largest, b.any)
			if !ok {
				t.Fatal("does not open")
			}
			b.largest, b.any = number, true
			b.Advance(0, testPTO)
		})
		if n != 0 {
			t.Errorf("%v: %v allocations a packet", s, n)
		}
	}
}

// What one packet of the usual size, and one train of the largest, cost: against the AEAD alone, without header protection and
// numbers.
func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		for _, size := range []int{64, 1472} {
			b.Run(fmt.Sprintf("%v/%d/packet", s, size), func(b *testing.B) {
				k, _ := sides(b, s, Limits{Update: 1 << 40, Sealed: 1 << 41, Forged: 1})
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					copy(buf, "\x82")
					k.Seal(buf[:size-TagSize], 0, 12, k.next)
					k.next++
				}
			})
			b.Run(fmt.Sprintf("%v/%d/raw", s, size), func(b *testing.B) {
				k, _ := sides(b, s, Limits{})
				buf, aead, nonce := make([]byte, size), k.send.aead, make([]byte, 12)
				b.SetBytes(int64(size))
				for b.Loop() {
					aead.Seal(buf[12:12], nonce, buf[12:size-TagSize], buf[:12])
				}
			})
		}
		b.Run(fmt.Sprintf("%v/train of 44 x 1472", s), func(b *testing.B) {
			const size, count = 1472, 44
			k, _ := sides(b, s, Limits{Update: 1 << 40, Sealed: 1 << 41, Forged: 1})
			buf := make([]byte, size*count)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				for at := 0; at < len(buf); at += size {
					buf[at] = 0x82
					k.Seal(buf[:at+size-TagSize], at, at+12, k.next)
					k.next++
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		for _, size := range []int{64, 1472} {
			b.Run(fmt.Sprintf("%v/%d", s, size), func(b *testing.B) {
				k, o := sides(b, s, Limits{Update: 1 << 40, Sealed: 1 << 41, Forged: 1})
				packet := k.packet(make([]byte, size-12-TagSize)...)
				buf := make([]byte, len(packet))
				b.SetBytes(int64(size))
				for b.Loop() {
					copy(buf, packet)
					if _, _, ok := o.Open(buf, wire.ShortHeaderLen(0), 0, false); !ok {
						b.Fatal("does not open")
					}
				}
			})
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, size := range []int{64, 1472} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, buf := NewChecksum(wire.Version, 1, 2), make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				c.End(buf[:size-wire.TrailerSize], 0)
			}
		})
	}
}

// BenchmarkNewDataKeys is what a connection's keys cost to make, and what they keep.
func BenchmarkNewDataKeys(b *testing.B) {
	for _, s := range suites {
		b.Run(s.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pair(b, s, Limits{})
			}
		})
	}
}
