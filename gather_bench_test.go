package ebb_test

import (
	"io"
	"net"
	"testing"
)

// BenchmarkSmallWrites is what the gathering of small writes is for, and what it must not slow down. "two pieces" is the round trip of a header and a
// body that are written one after the other while another goroutine waits in Read, as multiplexers do; no Read ends the wait for more then. "buffers"
// is net.Buffers of 500 pieces of 20 bytes, until the peer has them all.
func BenchmarkSmallWrites(b *testing.B) {
	b.Run("two pieces", func(b *testing.B) {
		c, s := benchPair(b)
		go io.Copy(s, struct{ io.Reader }{s})
		back := make(chan error, 1)
		go func() {
			buf := make([]byte, 72)
			for {
				_, err := io.ReadFull(c, buf)
				if back <- err; err != nil {
					return
				}
			}
		}()
		header, body := make([]byte, 8), make([]byte, 64)
		before := c.Info().PacketsSent
		b.ReportAllocs()
		for b.Loop() {
			c.Write(header)
			c.Write(body)
			if err := <-back; err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(c.Info().PacketsSent-before)/float64(b.N), "packets/op")
	})
	b.Run("buffers", func(b *testing.B) {
		c, s := benchPair(b)
		pieces, in := make([][]byte, 500), make([]byte, 10_000)
		for i := range pieces {
			pieces[i] = make([]byte, 20)
		}
		before := c.Info().PacketsSent
		b.ReportAllocs()
		for b.Loop() {
			all := append(net.Buffers(nil), pieces...)
			if _, err := all.WriteTo(c); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(s, in); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(c.Info().PacketsSent-before)/float64(b.N), "packets/op")
	})
}
